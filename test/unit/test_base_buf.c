/* buf, slice and list: bytes in order, big endian words, links that stay whole. */
#include "pgpooler/base.h"

#include <check.h>
#include <stdlib.h>

static void expect(const struct buf *b, const void *bytes, size_t len)
{
    ck_assert_uint_eq(b->len, len);
    ck_assert_mem_eq(b->data, bytes, len);
}

START_TEST(an_empty_buf_holds_no_memory)
{
    struct buf b = {0};
    buf_append(&b, "", 0);
    buf_append_str(&b, "");
    buf_consume(&b, 0);
    ck_assert_ptr_null(b.data);
    buf_deinit(&b);
}
END_TEST

START_TEST(words_are_big_endian)
{
    struct buf b = {0};
    buf_append_u8(&b, 0xfe);
    buf_append_u16(&b, 0x8001);
    buf_append_u32(&b, 0x81020304);
    expect(&b, "\xfe\x80\x01\x81\x02\x03\x04", 7);
    ck_assert_uint_eq(read_u16(b.data + 1), 0x8001);
    ck_assert_uint_eq(read_u32(b.data + 3), 0x81020304);
    buf_put_u32(&b, 3, 0xfffefdfc);
    expect(&b, "\xfe\x80\x01\xff\xfe\xfd\xfc", 7);
    buf_deinit(&b);
}
END_TEST

START_TEST(strings_with_and_without_their_nul)
{
    struct buf b = {0};
    buf_append_str(&b, "ab");
    buf_append_cstr(&b, "cd");
    buf_append_cstr(&b, "");
    expect(&b, "abcd\0", 6);
    buf_deinit(&b);
}
END_TEST

START_TEST(printf_appends_text_of_any_length)
{
    for (int width = 0; width < 300; width++) { /* every distance to the end of the memory */
        struct buf b = {0};
        buf_append_str(&b, "<");
        buf_printf(&b, "%*s>", width, "");
        ck_assert_uint_eq(b.len, (size_t)width + 2);
        ck_assert(b.data[b.len - 1] == '>');
        ck_assert(strlen(buf_text(&b)) == b.len);
        buf_deinit(&b);
    }
}
END_TEST

START_TEST(text_ends_with_a_nul_that_does_not_count)
{
    struct buf b = {0};
    ck_assert_str_eq(buf_text(&b), "");
    for (size_t len = 1; len < 200; len++) {
        buf_append(&b, "x", 1);
        ck_assert_uint_eq(strlen(buf_text(&b)), len);
        ck_assert_uint_eq(b.len, len);
    }
    buf_deinit(&b);
}
END_TEST

START_TEST(consume_drops_the_front)
{
    struct buf b = {0};
    buf_append_str(&b, "abcdef");
    buf_consume(&b, 0);
    expect(&b, "abcdef", 6);
    buf_consume(&b, 4);
    expect(&b, "ef", 2);
    buf_consume(&b, 2);
    ck_assert_uint_eq(b.len, 0);
    buf_append_str(&b, "g");
    expect(&b, "g", 1);
    buf_deinit(&b);
}
END_TEST

START_TEST(reserve_makes_room_once)
{
    struct buf b = {0};
    buf_reserve(&b, 1000);
    const char *where = b.data;
    for (int i = 0; i < 1000; i++)
        buf_append_u8(&b, (uint8_t)i);
    ck_assert_ptr_eq(b.data, where);
    buf_deinit(&b);
    ck_assert_ptr_null(b.data);
    ck_assert_uint_eq(b.cap, 0);
}
END_TEST

START_TEST(consuming_more_than_there_is_ends_the_process)
{
    struct buf b = {0};
    buf_append_str(&b, "ab");
    buf_consume(&b, 3);
}
END_TEST

START_TEST(slices_compare_length_and_bytes)
{
    ck_assert(slice_equal(slice_of("abc"), slice_of("abc")));
    ck_assert(!slice_equal(slice_of("abc"), slice_of("abd")));
    ck_assert(!slice_equal(slice_of("abc"), slice_of("ab")));
    ck_assert(slice_equal((struct slice){NULL, 0}, slice_of("")));
}
END_TEST

struct item {
    int number;
    struct list link;
};

static void expect_numbers(struct list *head, const char *numbers)
{
    struct buf seen = {0};
    LIST_FOREACH (head, it)
        buf_printf(&seen, "%d", LIST_ENTRY(it, struct item, link)->number);
    ck_assert_str_eq(buf_text(&seen), numbers);
    seen.len = 0;
    for (struct list *it = head->prev; it != head; it = it->prev) /* backwards as well */
        buf_printf(&seen, "%d", LIST_ENTRY(it, struct item, link)->number);
    for (size_t i = 0; i < seen.len; i++)
        ck_assert(seen.data[i] == numbers[seen.len - 1 - i]);
    buf_deinit(&seen);
}

START_TEST(lists_keep_their_order)
{
    struct list head;
    struct item items[4];
    list_init(&head);
    ck_assert(list_is_empty(&head));
    for (int i = 0; i < 4; i++) {
        items[i].number = i;
        list_init(&items[i].link);
        ck_assert(!list_is_linked(&items[i].link));
        i % 2 ? list_push_front(&head, &items[i].link) : list_push_back(&head, &items[i].link);
        ck_assert(list_is_linked(&items[i].link));
    }
    expect_numbers(&head, "3102");
    list_remove(&items[1].link);
    ck_assert(!list_is_linked(&items[1].link));
    list_remove(&items[1].link);
    expect_numbers(&head, "302");
    LIST_FOREACH_SAFE (&head, it, after)
        list_remove(it);
    ck_assert(list_is_empty(&head));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("test_base_buf");
    TCase *tests = tcase_create("buf");
    tcase_add_test(tests, an_empty_buf_holds_no_memory);
    tcase_add_test(tests, words_are_big_endian);
    tcase_add_test(tests, strings_with_and_without_their_nul);
    tcase_add_test(tests, printf_appends_text_of_any_length);
    tcase_add_test(tests, text_ends_with_a_nul_that_does_not_count);
    tcase_add_test(tests, consume_drops_the_front);
    tcase_add_test(tests, reserve_makes_room_once);
    tcase_add_test_raise_signal(tests, consuming_more_than_there_is_ends_the_process, 6 /* SIGABRT */);
    tcase_add_test(tests, slices_compare_length_and_bytes);
    tcase_add_test(tests, lists_keep_their_order);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
