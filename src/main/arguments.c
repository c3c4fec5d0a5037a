#include "main/arguments.h"

#include "pgpooler/admin.h"

#include <getopt.h>
#include <stdio.h>

static void print_help(const char *name)
{
    printf("%s is a connection pooler for PostgreSQL.\n\n"
           "Usage:\n  %s [OPTION]... CONFIG_FILE\n\n"
           "Options:\n"
           "  -d, --daemon         run in the background (as a daemon)\n"
           "  -q, --quiet          log nothing to standard error\n"
           "  -R, --reboot         take over from a running process\n"
           "  -u, --user=USERNAME  become this user at the start\n"
           "  -v, --verbose        log more; may be repeated\n"
           "  -V, --version        show the version, then exit\n"
           "  -h, --help           show this help, then exit\n",
           name, name);
}

static void print_version(void)
{
    struct net_versions versions;
    net_versions(&versions);
    printf("%s\nlibuv %s\nadns: c-ares %s\ntls: %s\n", ADMIN_VERSION, versions.event, versions.dns, versions.tls);
}

static void print_sample(void)
{
    struct buf text = {0};
    config_print_sample(&text);
    fputs(buf_text(&text), stdout);
    buf_deinit(&text);
}

enum arguments_want arguments_read(int argc, char **argv, struct arguments *out)
{
    enum { PRINT_SAMPLE = 256 };
    static const struct option options[] = {
        {"daemon", no_argument, NULL, 'd'},
        {"quiet", no_argument, NULL, 'q'},
        {"reboot", no_argument, NULL, 'R'},
        {"user", required_argument, NULL, 'u'},
        {"verbose", no_argument, NULL, 'v'},
        {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},
        {"print-sample-config", no_argument, NULL, PRINT_SAMPLE},
        {NULL, 0, NULL, 0},
    };
    *out = (struct arguments){0};
    for (int c; (c = getopt_long(argc, argv, "dqRu:vVh", options, NULL)) != -1;) {
        switch (c) {
        case 'd':
            out->daemon = true;
            break;
        case 'q':
            out->quiet = true;
            break;
        case 'R':
            out->reboot = true;
            break;
        case 'u':
            out->user = optarg;
            break;
        case 'v':
            out->verbose++;
            break;
        case 'V':
            print_version();
            return ARGUMENTS_DONE;
        case 'h':
            print_help(argv[0]);
            return ARGUMENTS_DONE;
        case PRINT_SAMPLE:
            print_sample();
            return ARGUMENTS_DONE;
        default:
            fprintf(stderr, "Try \"%s --help\" for more information.\n", argv[0]);
            return ARGUMENTS_WRONG;
        }
    }
    if (optind + 1 != argc) {
        const char *what = optind == argc ? "no configuration file specified" : "too many arguments";
        fprintf(stderr, "%s: %s\nTry \"%s --help\" for more information.\n", argv[0], what, argv[0]);
        return ARGUMENTS_WRONG;
    }
    out->config_path = argv[optind];
    return ARGUMENTS_RUN;
}
