/* session, bounds: what a client that is logged in can make us keep. */
#include "pgpooler/session.h"

#include <check.h>
#include <stdlib.h>

static const struct {
    const char *what;
    size_t text_len;
    int count, most; /* statements in one batch; how many of them may be under way */
} floods[] = {
    {"short statements go together", 100, 100, 100},
    {"long ones that replace each other go one by one", 1024 * 1024, 20, 1},
};

START_TEST(unanswered_statements_are_bounded)
{
    struct store store;
    struct stats stats = {0};
    struct session session;
    struct backend_state backend;
    struct out to_client = {0}, to_backend = {0};
    struct session_io io = {.to_client = &to_client, .to_backend = &to_backend};
    store_init(&store, NULL, 100, 1u << 30);
    session_init(&session, &store, &stats, SESSION_MODE_TRANSACTION, params_ref(store.no_params));
    backend_state_init(&backend, &store);
    session_attach(&session, &backend, &io);

    struct buf text = {0};
    for (size_t i = 0; i < floods[_i].text_len; i++)
        buf_append_u8(&text, 'x');
    int accepted = 0;
    enum session_want want = SESSION_MORE;
    for (; accepted < floods[_i].count && want == SESSION_MORE; accepted += want == SESSION_MORE) {
        struct buf msg = {0};
        text.data[accepted] = 'y'; /* each is another */
        proto_parse(&msg, "", buf_text(&text), NULL, 0);
        session_client_bytes(&session, msg.data, msg.len, &io, &want);
        out_reset(&to_backend);
        buf_deinit(&msg);
    }
    ck_assert_msg(accepted == floods[_i].most, "%s: %d", floods[_i].what, accepted);

    session_detach(&session);
    session_deinit(&session);
    backend_state_deinit(&backend);
    store_deinit(&store);
    out_deinit(&to_client);
    out_deinit(&to_backend);
    buf_deinit(&text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("session_bounds");
    TCase *cases = tcase_create("bounds");
    tcase_add_loop_test(cases, unanswered_statements_are_bounded, 0, sizeof floods / sizeof *floods);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
