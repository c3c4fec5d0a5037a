/*
 * Private to main: the control thread. Listens and accepts, hears signals, loads configurations, ends the process;
 * everything on the data path is the workers'.
 */
#ifndef MAIN_CONTROL_H
#define MAIN_CONTROL_H

#include "main/arguments.h"
#include "pgpooler/config.h"

/*
 * Runs the process until it is told to end; returns its exit code. Takes `config`, which was read from
 * arguments->config_path.
 */
int control_run(const struct arguments *arguments, struct config *config);

#endif
