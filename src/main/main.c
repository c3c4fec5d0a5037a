/* main - pgpooler's beginning: the command line, then control. */
#include "control.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    struct arguments arguments;
    struct buf text = {0};
    enum arguments_answer answer = arguments_parse(argc, argv, &arguments, &text);
    if (text.len > 0)
        fwrite(text.data, 1, text.len, answer == ARGUMENTS_WRONG ? stderr : stdout);
    buf_deinit(&text);
    if (answer != ARGUMENTS_RUN)
        return answer == ARGUMENTS_WRONG ? EXIT_FAILURE : EXIT_SUCCESS;

    struct control control;
    if (!control_start(&control, &arguments))
        return EXIT_FAILURE;
    control_run(&control);
    control_stop(&control);
    return EXIT_SUCCESS;
}
