/* arguments - the command line. */
#include "arguments.h"

#include "manual.h"
#include "pgpooler/admin.h"

#include <getopt.h>

/* For our own build, and not in the help. */
enum { PRINT_SAMPLE_CONFIG = 256, PRINT_MAN_OPTIONS };

static const struct option options[] = {
    {"daemon", no_argument, NULL, 'd'},
    {"help", no_argument, NULL, 'h'},
    {"quiet", no_argument, NULL, 'q'},
    {"reboot", no_argument, NULL, 'R'},
    {"user", required_argument, NULL, 'u'},
    {"verbose", no_argument, NULL, 'v'},
    {"version", no_argument, NULL, 'V'},
    {"print-sample-config", no_argument, NULL, PRINT_SAMPLE_CONFIG},
    {"print-man-options", no_argument, NULL, PRINT_MAN_OPTIONS},
    {NULL, 0, NULL, 0},
};

static const char usage[] = "pgpooler pools connections to PostgreSQL servers.\n"
                            "\n"
                            "Usage:\n"
                            "  %s [OPTION]... CONFIG_FILE\n"
                            "\n"
                            "Options:\n"
                            "  -d, --daemon         run in the background (needs pidfile, and logfile or syslog)\n"
                            "  -q, --quiet          write nothing to standard error\n"
                            "  -R, --reboot         take over from a running process\n"
                            "  -u, --user=NAME      become this user\n"
                            "  -v, --verbose        more in the log; may be given several times\n"
                            "  -V, --version        print the version and exit\n"
                            "  -h, --help           print this and exit\n";

static void print_version(struct buf *text)
{
    struct net_versions versions;
    net_versions(&versions);
    buf_printf(text, ADMIN_VERSION "\nlibuv %s\nadns: c-ares %s\ntls: %s\n", versions.event, versions.dns,
               versions.tls);
}

/* @what  NULL: the reason was printed already */
static enum arguments_answer say_wrong(const char *name, const char *what, struct buf *text)
{
    if (what != NULL)
        buf_printf(text, "%s: %s\n", name, what);
    buf_printf(text, "Try \"%s --help\" for more information.\n", name);
    return ARGUMENTS_WRONG;
}

enum arguments_answer arguments_parse(int argc, char **argv, struct arguments *out, struct buf *text)
{
    *out = (struct arguments){0};
    const char *name = argc > 0 ? argv[0] : "pgpooler";
    optind = 0; /* from the beginning, also of options inside a word */
    for (int option; (option = getopt_long(argc, argv, "dhqRu:vV", options, NULL)) != -1;) {
        switch (option) {
        case 'd':
            out->is_daemon = true;
            break;
        case 'q':
            out->is_quiet = true;
            break;
        case 'R':
            out->takes_over = true;
            break;
        case 'u':
            out->user = optarg;
            break;
        case 'v':
            out->verbose++;
            break;
        case 'h':
            buf_printf(text, usage, name);
            return ARGUMENTS_PRINTED;
        case 'V':
            print_version(text);
            return ARGUMENTS_PRINTED;
        case PRINT_SAMPLE_CONFIG:
            config_print_sample(text);
            return ARGUMENTS_PRINTED;
        case PRINT_MAN_OPTIONS:
            manual_print_options(text);
            return ARGUMENTS_PRINTED;
        default:
            return say_wrong(name, NULL, text); /* getopt has named the option */
        }
    }
    if (optind >= argc)
        return say_wrong(name, "no configuration file specified", text);
    if (optind + 1 < argc)
        return say_wrong(name, "more than one configuration file specified", text);
    out->config = argv[optind];
    return ARGUMENTS_RUN;
}
