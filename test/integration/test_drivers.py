"""Real drivers with their usual settings, in transaction mode: several clients on three backends."""

import asyncio
import threading

import asyncpg
import psycopg
import psycopg2
import psycopg2.extras
import pytest
import sqlalchemy
import sqlalchemy.orm

from pgpooler_testlib import process, wait_until
from pgpooler_testlib.cluster import program

BACKENDS, CLIENTS, ROUNDS = 3, 8, 25


@pytest.fixture
def pooler(primary, make_pooler):
    primary.psql("create table if not exists notes (id serial primary key, who int not null, body text)", "app", "app")
    primary.psql("truncate notes", "app", "app")
    yield make_pooler(settings={"default_pool_size": BACKENDS})
    assert len(primary.backends("datname = 'app'")) <= BACKENDS


@pytest.fixture
def dsn(pooler):
    return pooler.dsn("app", "app")


def in_threads(work):
    """work(number) by several clients at once; the first failure is the test's."""
    failures = []

    def guarded(number):
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - handed on below
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


# ---- psycopg 3

@pytest.mark.sanitize
def test_psycopg_prepares_statements(dsn):
    def work(number):
        with psycopg.connect(dsn, prepare_threshold=2) as conn:
            for n in range(ROUNDS):
                conn.execute("insert into notes (who, body) values (%s, %s)", (number, f"note {n}"))
                mine, = conn.execute("select count(*) from notes where who = %s", (number,)).fetchone()
                assert mine == n + 1
                conn.commit()
            assert conn._prepared._names, "psycopg has prepared nothing: the test tests nothing"

    in_threads(work)


def test_psycopg_goes_on_after_errors(dsn):
    def work(number):
        with psycopg.connect(dsn, prepare_threshold=1, autocommit=True) as conn:
            for _ in range(ROUNDS):
                with pytest.raises(psycopg.errors.DivisionByZero):
                    conn.execute("select 1 / (%s - %s)", (number, number))
                with conn.transaction():
                    with pytest.raises(psycopg.errors.UniqueViolation), conn.transaction():
                        conn.execute("insert into notes (id, who) values (-1, 0), (-1, 0)")
                    assert conn.execute("select %s::int", (number,)).fetchone() == (number,)

    in_threads(work)


@pytest.mark.sanitize
def test_psycopg_pipelines(dsn):
    def work(number):
        with psycopg.connect(dsn, autocommit=True, prepare_threshold=3) as conn:
            for _ in range(ROUNDS // 5):
                with conn.pipeline() as pipeline:
                    cursors = []
                    for n in range(30):
                        cursors.append(conn.execute("select %s::int, %s::int", (number, n)))
                        if n % 7 == 0:
                            pipeline.sync()
                    assert [cursor.fetchone() for cursor in cursors] == [(number, n) for n in range(30)]

    in_threads(work)


def test_psycopg_pipelines_fail_up_to_the_sync(dsn):
    with psycopg.connect(dsn, autocommit=True) as conn:
        with pytest.raises(psycopg.errors.DivisionByZero), conn.pipeline() as pipeline:
            conn.execute("insert into notes (who, body) values (100, 'kept')")
            pipeline.sync()
            conn.execute("insert into notes (who, body) values (100, 'undone')")
            conn.execute("select 1/0")
            conn.execute("insert into notes (who, body) values (100, 'skipped')")
            pipeline.sync()
        assert conn.execute("select body from notes where who = 100").fetchall() == [("kept",)]


def test_psycopg_reads_server_side_cursors(dsn):
    def work(number):
        with psycopg.connect(dsn) as conn:
            for size in (1, 7, 100):
                with conn.transaction(), conn.cursor(name=f"walk{number}") as cursor:
                    cursor.itersize = size
                    cursor.execute("select n + %s from generate_series(1, 50) n", (number,))
                    assert [row[0] for row in cursor] == [n + number for n in range(1, 51)]

    in_threads(work)


@pytest.mark.sanitize
def test_psycopg_copies_both_ways(dsn):
    def work(number):
        with psycopg.connect(dsn) as conn:
            with conn.cursor() as cursor:
                with cursor.copy("copy notes (who, body) from stdin") as copy:
                    for n in range(300):
                        copy.write_row((number, f"{n} " + "x" * 50))
                with cursor.copy(f"copy (select body from notes where who = {number} order by id) to stdout") as copy:
                    rows = [body.split()[0] for (body,) in copy.rows()]
                assert rows == [str(n) for n in range(300)]
                with pytest.raises(psycopg.errors.InvalidTextRepresentation):
                    with cursor.copy("copy notes (who, body) from stdin") as copy:
                        copy.write("not a number\tbody\n")
            conn.rollback()
            assert conn.execute("select count(*) from notes where who = %s", (number,)).fetchone() == (0,)

    in_threads(work)


def test_psycopg_cancels(pooler, dsn):
    with psycopg.connect(dsn, autocommit=True) as conn:
        timer = threading.Timer(0.2, conn.cancel)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            conn.execute("select pg_sleep(30)")
        timer.join()
        assert conn.execute("select 1").fetchone() == (1,)


def test_psycopg_async(dsn):
    async def work(number):
        async with await psycopg.AsyncConnection.connect(dsn, prepare_threshold=1) as conn:
            for _ in range(ROUNDS):
                cursor = await conn.execute("select %s::int", (number,))
                assert await cursor.fetchone() == (number,)
                await conn.commit()

    async def all_of_them():
        await asyncio.gather(*(work(number) for number in range(CLIENTS)))

    asyncio.run(all_of_them())


# ---- psycopg2

def test_psycopg2(dsn):
    def work(number):
        conn = psycopg2.connect(dsn)
        for n in range(ROUNDS):
            with conn, conn.cursor() as cursor:
                cursor.execute("insert into notes (who, body) values (%s, %s) returning who", (number, str(n)))
                assert cursor.fetchone() == (number,)
        with conn, conn.cursor() as cursor:
            psycopg2.extras.execute_values(cursor, "insert into notes (who, body) values %s",
                                           [(number, "many")] * 500)
            cursor.execute("select count(*) from notes where who = %s", (number,))
            assert cursor.fetchone() == (ROUNDS + 500,)
        with conn, conn.cursor("named") as cursor:
            cursor.execute("select generate_series(1, 3000)")
            assert sum(row[0] for row in cursor) == 3000 * 3001 // 2
        conn.close()

    in_threads(work)


# ---- asyncpg

@pytest.mark.sanitize
def test_asyncpg_with_its_statement_cache(pooler):
    """Its names are the same in every client, and its pool sends a reset query at each release."""
    async def work(pool, number):
        for n in range(ROUNDS):
            async with pool.acquire() as conn:
                assert await conn.fetchval("select $1::int + $2::int", number, n) == number + n
                async with conn.transaction():
                    await conn.execute("insert into notes (who, body) values ($1, $2)", number, str(n))
                    assert await conn.fetchval("select count(*) from notes where who = $1", number) == n + 1
                row = await conn.fetchrow("select array[1, 2, $1::int] as list, '{\"a\": 1}'::json as doc", n)
                assert row["list"] == [1, 2, n]

    async def all_of_them():
        async with asyncpg.create_pool(host=pooler.host, port=pooler.port, user="app", database="app",
                                       password="app-secret", min_size=CLIENTS, max_size=CLIENTS) as pool:
            await asyncio.gather(*(work(pool, number) for number in range(CLIENTS)))

    asyncio.run(all_of_them())


def test_asyncpg_cursors_copy_and_errors(pooler):
    async def work(number):
        conn = await asyncpg.connect(host=pooler.host, port=pooler.port, user="app", database="app",
                                     password="app-secret")
        try:
            async with conn.transaction():
                seen = [row[0] async for row in conn.cursor("select generate_series(1, 200)", prefetch=20)]
            assert seen == list(range(1, 201))
            await conn.copy_records_to_table("notes", records=[(number, str(n)) for n in range(200)],
                                             columns=["who", "body"])
            assert await conn.fetchval("select count(*) from notes where who = $1", number) == 200
            for _ in range(ROUNDS):
                with pytest.raises(asyncpg.DivisionByZeroError):
                    await conn.fetchval("select 1 / $1::int", 0)
                assert await conn.fetchval("select $1::int", number) == number
            await conn.executemany("insert into notes (who, body) values ($1, $2)", [(number, "many")] * 50)
            with pytest.raises(asyncio.TimeoutError):
                await conn.fetchval("select pg_sleep(30)", timeout=0.2)
            assert await conn.fetchval("select 1") == 1
        finally:
            await conn.close()

    async def all_of_them():
        await asyncio.gather(*(work(number) for number in range(CLIENTS)))

    asyncio.run(all_of_them())


# ---- SQLAlchemy

Base = sqlalchemy.orm.declarative_base()


class Author(Base):
    __tablename__ = "orm_authors"
    id = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)
    name = sqlalchemy.Column(sqlalchemy.String, unique=True)
    books = sqlalchemy.orm.relationship("Book", back_populates="author", cascade="all, delete-orphan")


class Book(Base):
    __tablename__ = "orm_books"
    id = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)
    title = sqlalchemy.Column(sqlalchemy.String)
    author_id = sqlalchemy.Column(sqlalchemy.ForeignKey("orm_authors.id"))
    author = sqlalchemy.orm.relationship(Author, back_populates="books")


def test_sqlalchemy_orm(pooler):
    engine = sqlalchemy.create_engine(f"postgresql+psycopg2://app:app-secret@{pooler.host}:{pooler.port}/app",
                                      pool_size=CLIENTS, pool_pre_ping=True)
    Base.metadata.create_all(engine)
    try:
        def work(number):
            for n in range(ROUNDS // 5):
                with sqlalchemy.orm.Session(engine) as session, session.begin():
                    author = Author(name=f"{number}/{n}", books=[Book(title=f"book {b}") for b in range(3)])
                    session.add(author)
                with sqlalchemy.orm.Session(engine) as session:
                    with pytest.raises(sqlalchemy.exc.IntegrityError), session.begin():
                        session.add(Author(name=f"{number}/{n}"))
                with sqlalchemy.orm.Session(engine) as session, session.begin():
                    found = session.query(Author).filter_by(name=f"{number}/{n}").one()
                    assert sorted(book.title for book in found.books) == ["book 0", "book 1", "book 2"]
                    with session.begin_nested():
                        found.books[0].title = "changed"
                    if n % 2:
                        session.delete(found)

        in_threads(work)
        with sqlalchemy.orm.Session(engine) as session:
            kept = (ROUNDS // 5 + 1) // 2 * CLIENTS
            assert session.query(Author).count() == kept
            assert session.query(Book).filter_by(title="changed").count() == kept
    finally:
        Base.metadata.drop_all(engine)
        engine.dispose()


# ---- libpq's own programs

def test_psql_and_pg_dump(primary, pooler):
    environment = process.own_environment(PGPASSWORD="app-secret")
    where = ["-h", pooler.host, "-p", pooler.port, "-U", "app", "-d", "app"]
    psql = [program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", *where]
    script = ("insert into notes (who, body) select 1, n from generate_series(1, 10) n; "
              "select count(*) from notes \\gset\n")
    assert process.run([*psql, "-c", script.split("\\")[0]], env=environment) == "10\n"
    assert process.run([*psql, "-c", "\\d notes"], env=environment).count("|") > 3
    assert process.run([*psql, "-c", "\\copy notes to stdout"], env=environment).count("\n") == 10
    dump = process.run([program("pg_dump"), *where, "-t", "notes"], env=environment)
    assert "CREATE TABLE public.notes" in dump and dump.count("\n1\t") + dump.count("\t1\t") >= 10


def test_no_client_is_left_behind(primary, pooler, dsn):
    connections = [psycopg.connect(dsn) for _ in range(CLIENTS)]
    for conn in connections:
        conn.execute("select 1")
        conn.commit()
    for conn in connections:
        conn.close()
    wait_until(lambda: pooler.pool("app")["cl_active"] == 0, 10, "all clients are gone")
