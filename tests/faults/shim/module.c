/* The real module: loaded once, called by place in its function list. */
#include "module.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

typedef CK_ULONG W;

#define NAME(name, arity) #name,
const char *const FUNCTION_NAMES[F_COUNT] = {CK_FUNCTIONS(NAME)};
#define ARITY(name, arity) arity,
static const int ARITIES[F_COUNT] = {CK_FUNCTIONS(ARITY)};

static CK_FUNCTION_LIST *real;

CK_RV module_load(void)
{
    if (real != NULL)
        return CKR_OK;
    const char *path = getenv("KAGIMORI_SHIM_MODULE");
    if (path == NULL)
        give_up("KAGIMORI_SHIM_MODULE names no module");
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        give_up("%s", dlerror());
    CK_RV (*list)(CK_FUNCTION_LIST **) = NULL;
    *(void **)&list = dlsym(library, "C_GetFunctionList");
    if (list == NULL)
        give_up("%s", dlerror());
    CK_RV code = list(&real);
    return code == CKR_OK && real == NULL ? CKR_GENERAL_ERROR : code;
}

CK_VERSION module_version(void)
{
    return real->version;
}

/* With KAGIMORI_SHIM_INIT as the reserved parameter, where it is set. */
static CK_RV initialize(CK_RV (*f)(W), W given)
{
    const char *words = getenv("KAGIMORI_SHIM_INIT");
    CK_C_INITIALIZE_ARGS arguments = {.flags = CKF_OS_LOCKING_OK};
    if (words == NULL)
        return f(given);
    if (given != 0)
        arguments = *(const CK_C_INITIALIZE_ARGS *)given;
    arguments.pReserved = words;
    arguments.after = NULL;
    return f((W)&arguments);
}

CK_RV hand_on(int function, const CK_ULONG *a)
{
    void *f = real->functions[function];
    if (function == F_C_GetFunctionList) /* fetched already; the list itself is the caller's business */
        return CKR_OK;
    if (f == NULL)
        return CKR_FUNCTION_NOT_SUPPORTED;
    if (function == F_C_Initialize)
        return initialize((CK_RV(*)(W))f, a[0]);
    switch (ARITIES[function]) {
    case 1:
        return ((CK_RV(*)(W))f)(a[0]);
    case 2:
        return ((CK_RV(*)(W, W))f)(a[0], a[1]);
    case 3:
        return ((CK_RV(*)(W, W, W))f)(a[0], a[1], a[2]);
    case 4:
        return ((CK_RV(*)(W, W, W, W))f)(a[0], a[1], a[2], a[3]);
    case 5:
        return ((CK_RV(*)(W, W, W, W, W))f)(a[0], a[1], a[2], a[3], a[4]);
    case 6:
        return ((CK_RV(*)(W, W, W, W, W, W))f)(a[0], a[1], a[2], a[3], a[4], a[5]);
    default:
        return ((CK_RV(*)(W, W, W, W, W, W, W, W))f)(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]);
    }
}

void give_up(const char *format, ...)
{
    va_list words;
    va_start(words, format);
    fputs("shim: ", stderr);
    vfprintf(stderr, format, words);
    fputc('\n', stderr);
    va_end(words);
    abort();
}
