/* The real module: loaded once, called by place in its function list. */
#ifndef KAGIMORI_SHIM_MODULE_H
#define KAGIMORI_SHIM_MODULE_H

#include "cryptoki.h"

#define MOST_ARGUMENTS 8

extern const char *const FUNCTION_NAMES[F_COUNT];

/* Loads KAGIMORI_SHIM_MODULE and fetches its list; CKR_OK, or what went wrong (told on stderr). */
CK_RV module_load(void);

/* The version that the real module's list names. */
CK_VERSION module_version(void);

/* The real function with these arguments; CKR_FUNCTION_NOT_SUPPORTED where the module has a null pointer. */
CK_RV hand_on(int function, const CK_ULONG *arguments);

/* A broken test set-up: says so on stderr and ends the process, so that no test passes by a mistake in its commands. */
void give_up(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif
