/* What SHOW sends: names, types and order of PgBouncer 1.25.2, and values in both formats. */
#include "admin/console.h"
#include "pgpooler/proto.h"

#include <check.h>
#include <stdlib.h>

/* Columns as `name type`: i int4, q int8, t text, n numeric; without a type as the one before. */
#define SOCKETS                                                                                                        \
    "type t, user, database, replication, state, addr, port i, local_addr t, local_port i, connect_time t, "           \
    "request_time, wait i, wait_us, close_needed, ptr t, link, remote_pid i, tls t, application_name, "                \
    "prepared_statements i, id"
static const struct {
    const char *show, *columns;
} cases[] = {
    {"VERSION", "version t"},
    {"STATE", "key t, value"},
    {"CONFIG", "key t, value, default, changeable"},
    {"DATABASES", "name t, host, port i, database t, force_user, pool_size i, min_pool_size, reserve_pool_size, "
                  "server_lifetime, pool_mode t, load_balance_hosts, max_connections i, current_connections, "
                  "max_client_connections, current_client_connections, paused, disabled"},
    {"POOLS", "database t, user, cl_active i, cl_waiting, cl_active_cancel_req, cl_waiting_cancel_req, sv_active, "
              "sv_active_cancel, sv_being_canceled, sv_idle, sv_used, sv_tested, sv_login, maxwait, maxwait_us, "
              "pool_mode t, load_balance_hosts"},
    {"CLIENTS", SOCKETS},
    {"SERVERS", SOCKETS},
    {"SOCKETS", SOCKETS ", recv_pos, pkt_pos, pkt_remain, send_pos, send_remain, pkt_avail, send_avail"},
    {"ACTIVE_SOCKETS", SOCKETS ", recv_pos, pkt_pos, pkt_remain, send_pos, send_remain, pkt_avail, send_avail"},
    {"STATS",
     "database t, total_server_assignment_count n, total_xact_count, total_query_count, total_received, total_sent, "
     "total_xact_time, total_query_time, total_wait_time, total_client_parse_count, total_server_parse_count, "
     "total_bind_count, avg_server_assignment_count, avg_xact_count, avg_query_count, avg_recv, avg_sent, "
     "avg_xact_time, avg_query_time, avg_wait_time, avg_client_parse_count, avg_server_parse_count, avg_bind_count"},
    {"STATS_TOTALS", "database t, server_assignment_count n, xact_count, query_count, bytes_received, bytes_sent, "
                     "xact_time, query_time, wait_time, client_parse_count, server_parse_count, bind_count"},
    {"STATS_AVERAGES",
     "database t, server_assignment_count n, xact_count, query_count, bytes_received, bytes_sent, xact_time, "
     "query_time, wait_time, avg_client_parse_count, avg_server_parse_count, avg_bind_count"},
    {"TOTALS", "name t, value n"},
    {"COUNTERS", "name t, value n"},
    {"LISTS", "list t, items i"},
    {"USERS", "name t, pool_size, reserve_pool_size, pool_mode, max_user_connections i, current_connections, "
              "max_user_client_connections, current_client_connections"},
    {"PEERS", "peer_id i, host t, port i, pool_size"},
};
enum { CASES = sizeof cases / sizeof *cases };

static const struct {
    char letter;
    uint32_t oid;
    uint16_t len; /* 65535 is -1: variable */
} types[] = {{'i', OID_INT4, 4}, {'q', OID_INT8, 8}, {'t', OID_TEXT, 65535}, {'n', OID_NUMERIC, 65535}};

static char letter_of(uint32_t oid, uint16_t len)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].oid == oid)
            return types[i].len == len ? types[i].letter : '!';
    return '?';
}

/* A RowDescription, written as the cases are. */
static void write_columns(struct buf *out, const struct buf *msg)
{
    ck_assert_int_eq(msg->data[0], 'T');
    ck_assert_uint_eq(read_u32(msg->data + 1), msg->len - 1);
    struct reader body = reader_of(msg->data + PROTO_HEADER, msg->len - PROTO_HEADER);
    char latest = '\0';
    int count = reader_u16(&body);
    for (int i = 0; i < count; i++) {
        buf_printf(out, "%s%s", i > 0 ? ", " : "", reader_cstr(&body));
        ck_assert_uint_eq(reader_u32(&body), 0); /* no table */
        ck_assert_uint_eq(reader_u16(&body), 0);
        uint32_t oid = reader_u32(&body);
        uint16_t len = reader_u16(&body);
        char letter = letter_of(oid, len);
        if (letter != latest)
            buf_printf(out, " %c", letter);
        latest = letter;
        ck_assert_uint_eq(reader_u32(&body), UINT32_MAX); /* no modifier */
        ck_assert_uint_eq(reader_u16(&body), 0);          /* text */
    }
    ck_assert(!body.bad && reader_left(&body) == 0);
}

START_TEST(columns_are_those_of_the_contract)
{
    const struct admin_show *show = show_find(cases[_i].show);
    ck_assert_msg(show != NULL, "there is no SHOW %s", cases[_i].show);
    struct buf msg = {0}, seen = {0};
    table_describe(&msg, show->table, NULL);
    write_columns(&seen, &msg);
    ck_assert_msg(strcmp(buf_text(&seen), cases[_i].columns) == 0, "SHOW %s has\n%s\nand not\n%s", cases[_i].show,
                  buf_text(&seen), cases[_i].columns);
    buf_deinit(&msg);
    buf_deinit(&seen);
}
END_TEST

START_TEST(every_show_is_in_the_contract)
{
    for (int i = 0; i < show_count; i++) {
        bool is_known = false;
        for (int k = 0; k < CASES; k++)
            is_known = is_known || strcmp(cases[k].show, shows[i].word) == 0;
        ck_assert_msg(is_known, "SHOW %s is in no case of this test", shows[i].word);
    }
}
END_TEST

START_TEST(every_column_and_show_is_explained)
{
    for (int i = 0; i < show_count; i++) {
        ck_assert(shows[i].help != NULL && *shows[i].help != '\0');
        const struct admin_table *table = shows[i].table;
        for (int k = 0; k < table->column_count; k++) {
            const struct admin_column *column = &table->columns[k];
            ck_assert_msg(column->help != NULL && *column->help != '\0', "%s.%s", shows[i].word, column->name);
            ck_assert_msg(column->offset + sizeof(int64_t) <= table->row_size, "%s.%s is not in its row", shows[i].word,
                          column->name);
        }
    }
}
END_TEST

/* ---- values ---- */

struct sample_row {
    const char *text;
    int64_t number, big;
    uint64_t exact, newer;
};
static const struct admin_column sample_columns[] = {
    {"text", COL_TEXT, offsetof(struct sample_row, text), "", false},
    {"number", COL_INT, offsetof(struct sample_row, number), "", false},
    {"newer", COL_NUMERIC, offsetof(struct sample_row, newer), "", true},
    {"big", COL_BIGINT, offsetof(struct sample_row, big), "", false},
    {"exact", COL_NUMERIC, offsetof(struct sample_row, exact), "", false},
};
static const struct admin_table sample_table = {
    .columns = sample_columns, .column_count = 5, .row_size = sizeof(struct sample_row)};

static const uint16_t all_binary[] = {1, 1, 1, 1};
static const uint16_t last_binary[] = {0, 0, 0, 1};

/* A value is shown as `text'; bytes as hex where the format says binary. */
static const struct {
    const char *what;
    struct sample_row row;
    const uint16_t *formats;
    const char *values;
} rows[] = {
    {"text", {"app", 1, -2, 3, 99}, NULL, "app|1|-2|3"},
    {"NULL and the empty text differ", {NULL, 0, 0, 0, 0}, NULL, "NULL|0|0|0"},
    {"the empty text", {"", 0, 0, 0, 0}, NULL, "|0|0|0"},
    {"the largest",
     {"x", INT32_MAX, INT64_MAX, UINT64_MAX, 0},
     NULL,
     "x|2147483647|9223372036854775807|18446744073709551615"},
    {"binary numbers", {"x", -2, -2, 0, 0}, all_binary, "x|fffffffe|fffffffffffffffe|0000000000000000"},
    {"numeric of one digit", {"x", 1, 2, 7, 0}, last_binary, "x|1|2|00010000000000000007"},
    {"of two", {"x", 1, 2, 12345, 0}, last_binary, "x|1|2|000200010000000000010929"},
    {"zeroes at its end are left out", {"x", 1, 2, 20000, 0}, last_binary, "x|1|2|00010001000000000002"},
    {"but those inside are not", {"x", 1, 2, 300000004, 0}, last_binary, "x|1|2|0003000200000000000300000004"},
    {"the largest numeric", {"x", 1, 2, UINT64_MAX, 0}, last_binary, "x|1|2|000500040000000007341a5802e103bb064f"},
};

static void write_values(struct buf *out, const struct buf *msg, const uint16_t *formats)
{
    ck_assert_int_eq(msg->data[0], 'D');
    ck_assert_uint_eq(read_u32(msg->data + 1), msg->len - 1);
    struct reader body = reader_of(msg->data + PROTO_HEADER, msg->len - PROTO_HEADER);
    int count = reader_u16(&body);
    for (int i = 0; i < count; i++) {
        uint32_t len = reader_u32(&body);
        if (i > 0)
            buf_append_str(out, "|");
        if (len == UINT32_MAX) {
            buf_append_str(out, "NULL");
            continue;
        }
        struct slice value = reader_bytes(&body, len);
        bool as_hex = i > 0 && formats != NULL && formats[i] == 1;
        for (size_t k = 0; as_hex && k < value.len; k++)
            buf_printf(out, "%02x", (unsigned char)value.ptr[k]);
        if (!as_hex)
            buf_append(out, value.ptr, value.len);
    }
    ck_assert(!body.bad && reader_left(&body) == 0);
}

START_TEST(values_are_written)
{
    struct buf msg = {0}, seen = {0};
    table_row(&msg, &sample_table, &rows[_i].row, rows[_i].formats);
    write_values(&seen, &msg, rows[_i].formats);
    ck_assert_msg(strcmp(buf_text(&seen), rows[_i].values) == 0, "%s: %s and not %s", rows[_i].what, buf_text(&seen),
                  rows[_i].values);
    buf_deinit(&msg);
    buf_deinit(&seen);
}
END_TEST

START_TEST(formats_are_described)
{
    struct buf msg = {0};
    ck_assert_int_eq(table_width(&sample_table), 4);
    table_describe(&msg, &sample_table, last_binary);
    ck_assert_uint_eq(read_u16(msg.data + msg.len - 2), 1);
    buf_deinit(&msg);
}
END_TEST

static int by_number(const void *row, const void *other)
{
    const struct sample_row *a = row, *b = other;
    return (a->number > b->number) - (a->number < b->number);
}

START_TEST(rows_are_sorted_and_begin_as_zeroes)
{
    struct result result;
    result_init(&result, &sample_table);
    for (int i = 0; i < 100; i++) {
        struct sample_row *row = result_add(&result);
        ck_assert(row->text == NULL && row->exact == 0);
        row->number = i * 37 % 100;
    }
    result_sort(&result, by_number);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(((struct sample_row *)result.rows[i])->number, i);
    result_deinit(&result);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("admin_columns");
    TCase *tcase = tcase_create("columns");
    tcase_add_loop_test(tcase, columns_are_those_of_the_contract, 0, CASES);
    tcase_add_test(tcase, every_show_is_in_the_contract);
    tcase_add_test(tcase, every_column_and_show_is_explained);
    tcase_add_loop_test(tcase, values_are_written, 0, sizeof rows / sizeof *rows);
    tcase_add_test(tcase, formats_are_described);
    tcase_add_test(tcase, rows_are_sorted_and_begin_as_zeroes);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
