"""Prepared statements of the protocol, in transaction mode: a client's names are its own, wherever they run."""

import pytest

from pgpooler_testlib import rawconn
from pgpooler_testlib.rawconn import bind, close, describe, execute, flush, parse, query, same_answers, sync

READY = ("ReadyForQuery", "I")


def errors(answers):
    return [answer[1] for answer in answers if answer[0] == "ErrorResponse"]


def values(answers):
    return [answer[1] for answer in answers if answer[0] == "DataRow"]


@pytest.fixture
def shared(make_pooler):
    """One backend for everybody: whatever one client leaves behind meets the next."""
    return make_pooler(settings={"default_pool_size": 1})


def hold(conn):
    """Takes a backend, so that others get another one."""
    conn.ask(query("begin"))


@pytest.mark.sanitize
def test_a_name_in_use_is_refused_with_the_clients_name(shared):
    with shared.connect() as conn:
        conn.ask(parse("mine", "select 1"), sync())
        [error] = errors(conn.ask(parse("mine", "select 2"), sync()))
        assert (error["S"], error["C"]) == ("ERROR", "42P05")
        assert error["M"] == 'prepared statement "mine" already exists'
        assert values(conn.ask(bind("", "mine"), execute(), sync())) == [["1"]]


@pytest.mark.sanitize
def test_an_unknown_name_is_refused_with_the_clients_name(shared):
    with shared.connect() as conn:
        for message in (bind("", "nobody's"), describe("S", "nobody's")):
            [error] = errors(conn.ask(message, sync()))
            assert (error["S"], error["C"]) == ("ERROR", "26000")
            assert error["M"] == 'prepared statement "nobody\'s" does not exist'
        assert conn.value("select 1") == "1"


def test_two_clients_may_use_one_name_for_different_things(shared):
    with shared.connect() as first, shared.connect() as second:
        first.ask(parse("s", "select 'first'"), sync())
        second.ask(parse("s", "select 'second'"), sync())
        for conn, said in ((first, "first"), (second, "second"), (first, "first")):
            assert values(conn.ask(bind("", "s"), execute(), sync())) == [[said]]


def test_one_clients_name_is_not_known_to_another(shared):
    with shared.connect() as first, shared.connect() as second:
        first.ask(parse("s", "select 1"), sync())
        assert errors(second.ask(bind("", "s"), execute(), sync()))[0]["C"] == "26000"


@pytest.mark.sanitize
def test_a_statement_follows_its_client_to_another_backend(primary, make_pooler):
    pooler = make_pooler(settings={"default_pool_size": 2})
    with pooler.connect() as conn, pooler.connect() as other:
        conn.ask(parse("s", "select pg_backend_pid(), $1::int"), sync())
        first = values(conn.ask(bind("", "s", ["7"]), execute(), sync()))[0]
        hold(other)
        assert other.value("select pg_backend_pid()") == first[0], "the backend used last comes first"
        second = values(conn.ask(bind("", "s", ["7"]), execute(), sync()))[0]
        assert second[0] != first[0] and second[1] == first[1] == "7"


def test_a_failed_parse_leaves_its_name_free(shared):
    with shared.connect() as conn:
        assert errors(conn.ask(parse("s", "selec 1"), sync()))[0]["C"] == "42601"
        assert errors(conn.ask(bind("", "s"), execute(), sync()))[0]["C"] == "26000"
        assert values(conn.ask(parse("s", "select 2"), bind("", "s"), execute(), sync())) == [["2"]]


def test_a_parse_that_was_skipped_leaves_its_name_free(shared):
    with shared.connect() as conn:
        answers = conn.ask(parse("", "select 1/0"), bind(), execute(), parse("s", "select 1"), sync())
        assert len(errors(answers)) == 1
        assert errors(conn.ask(bind("", "s"), execute(), sync()))[0]["C"] == "26000"


def test_a_close_that_was_skipped_leaves_its_name_in_use(shared):
    with shared.connect() as conn:
        conn.ask(parse("s", "select 3"), sync())
        conn.ask(parse("", "select 1/0"), bind(), execute(), close("S", "s"), sync())
        assert values(conn.ask(bind("", "s"), execute(), sync())) == [["3"]]


def test_closing_a_name_frees_it_and_an_unknown_one_is_no_error(shared):
    with shared.connect() as conn:
        conn.ask(parse("s", "select 1"), sync())
        assert conn.ask(close("S", "s"), close("S", "never"), sync()) == [
            ("CloseComplete",), ("CloseComplete",), READY]
        assert values(conn.ask(parse("s", "select 2"), bind("", "s"), execute(), sync())) == [["2"]]


def test_a_rolled_back_transaction_keeps_what_was_prepared_in_it(shared):
    with shared.connect() as conn:
        conn.ask(query("begin"))
        conn.ask(parse("s", "select 4"), sync())
        conn.ask(query("rollback"))
        assert values(conn.ask(bind("", "s"), execute(), sync())) == [["4"]]


@pytest.mark.sanitize
def test_the_unnamed_statement_survives_a_release(make_pooler):
    pooler = make_pooler(settings={"default_pool_size": 2})
    with pooler.connect() as conn, pooler.connect() as other:
        conn.ask(parse("", "select $1::int + 1"), sync())
        other.ask(parse("", "select 'others'"), sync())
        hold(other)
        for number in ("1", "2"):
            answers = conn.ask(bind("", "", [number]), execute(), sync())
            assert values(answers) == [[str(int(number) + 1)]], answers


def test_a_simple_query_ends_the_unnamed_statement(shared):
    with shared.connect() as conn:
        conn.ask(parse("", "select 1"), sync())
        conn.ask(query("select 2"))
        assert errors(conn.ask(bind(), execute(), sync()))[0]["M"] == "unnamed prepared statement does not exist"


@pytest.mark.sanitize
def test_many_statements_on_few_places(primary, make_pooler):
    """The least recently used go, and come back when they are wanted."""
    pooler = make_pooler(settings={"default_pool_size": 1, "max_prepared_statements": 3})
    with pooler.connect() as conn, pooler.connect() as other:
        for number in range(40):
            conn.ask(parse(f"s{number}", f"select {number}"), sync())
        for number in [*range(40), *reversed(range(40)), 5, 5, 39, 5]:
            assert values(conn.ask(bind("", f"s{number}"), execute(), sync())) == [[str(number)]]
        # All of them in one transaction, too.
        batch = [message for number in range(40) for message in (bind("", f"s{number}"), execute())]
        assert values(conn.ask(*batch, sync())) == [[str(number)] for number in range(40)]
        assert int(other.value("select count(*) from pg_prepared_statements")) <= 3


@pytest.mark.parametrize("sql", ["deallocate all", "discard all"])
@pytest.mark.parametrize("how", ["simple", "extended"])
def test_forgetting_everything_forgets_the_clients_own_names_only(shared, sql, how):
    with shared.connect() as first, shared.connect() as second:
        for conn in (first, second):
            conn.ask(parse("s", "select 'here'"), sync())
        forget = [query(sql)] if how == "simple" else [parse("", sql), bind(), execute(), sync()]
        assert not errors(first.ask(*forget))
        assert errors(first.ask(bind("", "s"), execute(), sync()))[0]["C"] == "26000"
        assert values(second.ask(bind("", "s"), execute(), sync())) == [["here"]]
        assert values(first.ask(parse("s", "select 'again'"), bind("", "s"), execute(), sync())) == [["again"]]


def test_a_changed_table_costs_one_error_on_each_backend(primary, make_pooler):
    """Next time the statement is parsed anew, so nobody has to close connections after a migration."""
    pooler = make_pooler(settings={"default_pool_size": 1})
    primary.psql("create table changing (a int); insert into changing values (1)")
    try:
        with pooler.connect() as conn:
            conn.ask(parse("s", "select * from changing"), sync())
            assert values(conn.ask(bind("", "s"), execute(), sync())) == [["1"]]
            primary.psql("alter table changing add column b int default 2")
            [error] = errors(conn.ask(bind("", "s"), execute(), sync()))
            assert error["M"] == "cached plan must not change result type"
            assert values(conn.ask(bind("", "s"), execute(), sync())) == [["1", "2"]]
    finally:
        primary.psql("drop table changing")


def test_statements_of_different_parameter_types_are_different(shared):
    with shared.connect() as conn:
        conn.ask(parse("i", "select $1", [23]), parse("t", "select $1", [25]), sync())
        for name, oid in (("i", 23), ("t", 25)):
            assert ("ParameterDescription", [oid]) in conn.ask(describe("S", name), sync())


def test_a_statement_means_what_it_meant_under_the_clients_settings(shared):
    """What parsing depends on is part of a statement: another client's DateStyle must not decide."""
    text = "select date '03/04/2026' = '2026-04-03'"
    with shared.connect() as first, shared.connect() as second:
        second.ask(query("set datestyle to 'ISO, DMY'"))
        for conn, is_april in ((first, "f"), (second, "t"), (first, "f")):
            name = f"s{id(conn)}"
            conn.ask(close("S", name), parse(name, text), sync())
            assert values(conn.ask(bind("", name), execute(), sync())) == [[is_april]]


@pytest.mark.parametrize("undo", ["at its end", "by an error"])
@pytest.mark.parametrize("name", ["s", ""])
@pytest.mark.sanitize
def test_what_is_parsed_behind_a_setting_of_its_own_batch_is_nobody_elses(shared, name, undo):
    """The setting is gone with the batch, so the server never tells about it."""
    text = "select date '03/04/2026' = '2026-04-03'"
    setting, failure = "select set_config('datestyle', 'ISO, DMY', true)", []
    if undo == "by an error":
        setting, failure = "set datestyle to 'ISO, DMY'", [parse("", "select 1/0"), bind(), execute()]
    with shared.connect() as first, shared.connect() as second, shared.connect() as third:
        second.ask(parse(name, text), sync())
        first.ask(parse("", setting), bind(), execute(), parse(name, text), bind("", name), execute(), *failure, sync())
        assert values(second.ask(bind("", name), execute(), sync())) == [["f"]]
        assert values(third.ask(parse(name, text), bind("", name), execute(), sync())) == [["f"]]
    with shared.connect() as conn:
        batch = [parse("", setting), bind(), execute(), parse(name, text), bind("", name), execute(), sync()]
        assert values(conn.ask(*batch))[-1] == ["t"], "and the batch itself means what it says"


def test_flush_brings_answers_in_the_middle_of_a_batch(primary, shared):
    with shared.connect() as conn:
        conn.send(parse("s", "select $1::int"), describe("S", "s"), flush())
        assert conn.read_until("RowDescription") == [
            ("ParseComplete",), ("ParameterDescription", [23]), ("RowDescription", ["int4"])]
        conn.send(bind("", "s", ["5"]), execute(), flush())
        assert values(conn.read_until("CommandComplete")) == [["5"]]
        assert conn.ask(sync()) == [READY]


def test_a_portal_is_read_in_pieces_over_several_units(primary, shared):
    with rawconn.RawConn(primary.port) as direct, shared.connect() as pooled:
        for messages in ([query("begin")], [parse("s", "select generate_series(1, 5)"), bind("p", "s"), sync()],
                         [execute("p", 2), sync()], [execute("p", 2), sync()], [execute("p", 2), sync()],
                         [execute("p", 2), sync()], [query("commit")], [execute("p", 2), sync()]):
            same_answers(direct, pooled, *messages)


def test_long_names_and_long_texts(shared):
    name, text = "n" * 3000, "select '" + "x" * 200000 + "'"
    with shared.connect() as conn:
        conn.ask(parse(name, text), sync())
        assert len(values(conn.ask(bind("", name), execute(), sync()))[0][0]) == 200000
        [error] = errors(conn.ask(parse(name, "select 1"), sync()))
        assert name in error["M"]


def test_without_rewriting_names_belong_to_the_backend(make_pooler):
    pooler = make_pooler(settings={"default_pool_size": 1, "max_prepared_statements": 0})
    with pooler.connect() as first, pooler.connect() as second:
        first.ask(parse("s", "select 1"), sync())
        assert errors(second.ask(parse("s", "select 1"), sync()))[0]["C"] == "42P05"
