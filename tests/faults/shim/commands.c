/* The control file: which faults are asked for, and how often each was met, over all processes that share the file.
 *
 * A line is a command (`FUNCTION ACTION [ARGUMENT] [key=LABEL] [skip=N] [times=N]`), `#` begins a comment. How often each
 * was met stands in the file CONTROL.counts or, if the first line is `#NAME`, in CONTROL.NAME: a CK_ULONG for each line. */
#include "commands.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "module.h"

#define LONGEST 16384

static const char *const ACTIONS[] = {"fail", "delay", "hang", "crash", "drop", "swap", "alter", "short", "zero"};
static const int LAST_ACTION = ZERO;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct command commands[MOST_COMMANDS];
static size_t count;
static atomic_ulong *met;
static struct stat seen; /* the control file as it was read last; all zero: none */

static int function_named(const char *name)
{
    if (strcmp(name, "*") == 0)
        return ANY_FUNCTION;
    for (int place = 0; place < F_COUNT; place++)
        if (strcmp(name, FUNCTION_NAMES[place]) == 0)
            return place;
    give_up("%s: no function of PKCS#11", name);
}

static enum action action_named(const char *name)
{
    for (int action = 0; name != NULL && action <= LAST_ACTION; action++)
        if (strcmp(name, ACTIONS[action]) == 0)
            return (enum action)action;
    give_up("%s: no action", name == NULL ? "nothing" : name);
}

static long number(const char *text)
{
    char *end = NULL;
    long value = strtol(text, &end, 0);
    if (end == text || *end != '\0')
        give_up("%s: no number", text);
    return value;
}

static void copy_label(char *to, const char *label)
{
    if (snprintf(to, sizeof commands->label, "%s", label) >= (int)sizeof commands->label)
        give_up("%s: too long for a label", label);
}

static void read_word(struct command *command, const char *word)
{
    if (strncmp(word, "skip=", 5) == 0)
        command->skip = (unsigned long)number(word + 5);
    else if (strncmp(word, "times=", 6) == 0)
        command->times = (unsigned long)number(word + 6);
    else if (strncmp(word, "key=", 4) == 0)
        copy_label(command->key, word + 4);
    else if (command->action == SWAP)
        copy_label(command->label, word);
    else
        command->number = number(word);
}

static void read_command(char *line, int place)
{
    char *rest = NULL, *function = strtok_r(line, " ", &rest);
    struct command *command = &commands[count];
    if (function == NULL)
        return;
    memset(command, 0, sizeof *command);
    command->place = place;
    command->function = function_named(function);
    command->action = action_named(strtok_r(NULL, " ", &rest));
    command->number = command->action == SHORT ? 1 : 0;
    command->times = ULONG_MAX;
    for (char *word; (word = strtok_r(NULL, " ", &rest)) != NULL;)
        read_word(command, word);
    count++;
}

static void map_counters(const char *control, const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s.%s", control, name);
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    size_t size = MOST_COMMANDS * sizeof *met;
    if (met != NULL)
        munmap(met, size);
    met = file < 0 || ftruncate(file, (off_t)size) != 0 ? MAP_FAILED
                                                        : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (met == MAP_FAILED)
        give_up("%s: cannot be counted in", path);
    close(file);
}

static void read_commands(const char *control, FILE *file)
{
    static char text[LONGEST];
    char *rest = NULL, *line;
    text[fread(text, 1, LONGEST - 1, file)] = '\0';
    if (strlen(text) == LONGEST - 1)
        give_up("%s: too long", control);
    int place = 0;
    line = strtok_r(text, "\n", &rest);
    map_counters(control, line != NULL && line[0] == '#' ? line + 1 : "counts");
    for (; line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        if (line[0] == '#')
            continue;
        if (place == MOST_COMMANDS)
            give_up("%s: more than %d commands", control, MOST_COMMANDS);
        read_command(line, place++);
    }
}

/* Looks whether the control file is another one than before. */
static void refresh(void)
{
    const char *control = getenv("KAGIMORI_SHIM_CONTROL");
    struct stat now;
    if (control == NULL || stat(control, &now) != 0)
        memset(&now, 0, sizeof now);
    if (now.st_ino == seen.st_ino && now.st_size == seen.st_size && now.st_mtim.tv_sec == seen.st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == seen.st_mtim.tv_nsec)
        return;
    count = 0;
    seen = now;
    FILE *file = now.st_size == 0 ? NULL : fopen(control, "re");
    if (file != NULL) {
        read_commands(control, file);
        fclose(file);
    }
}

size_t commands_for(int function, struct command *found)
{
    size_t fitting = 0;
    pthread_mutex_lock(&lock);
    refresh();
    for (size_t n = 0; n < count; n++)
        if (commands[n].function == function || commands[n].function == ANY_FUNCTION)
            found[fitting++] = commands[n];
    pthread_mutex_unlock(&lock);
    return fitting;
}

int is_due(const struct command *command)
{
    pthread_mutex_lock(&lock);
    unsigned long before = atomic_fetch_add(&met[command->place], 1);
    pthread_mutex_unlock(&lock);
    return before >= command->skip && before - command->skip < command->times;
}
