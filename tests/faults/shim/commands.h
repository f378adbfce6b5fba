/* The control file: which faults are asked for, and how often each was met, over all processes that share the file. */
#ifndef KAGIMORI_SHIM_COMMANDS_H
#define KAGIMORI_SHIM_COMMANDS_H

#include <stddef.h>

#define MOST_COMMANDS 64
#define ANY_FUNCTION (-1)

enum action { FAIL, DELAY, HANG, CRASH, DROP, SWAP, ALTER, SHORT, ZERO };

struct command {
    int place;            /* which line; its counter */
    int function;         /* in CK_FUNCTION_LIST, or ANY_FUNCTION */
    enum action action;
    long number;          /* FAIL: the code; DELAY: milliseconds; ALTER: which byte; SHORT: how many units fewer */
    char label[64];       /* SWAP: the other key's */
    char key[64];         /* only where the call is about the key with this label; empty: any */
    unsigned long skip;   /* so many times it is let pass first */
    unsigned long times;  /* so many times it is done then */
};

/* Copies the commands for a function, as the control file has them now; how many. */
size_t commands_for(int function, struct command *found);

/* Counts a call that a command fits; whether it is to be done this time. */
int is_due(const struct command *command);

#endif
