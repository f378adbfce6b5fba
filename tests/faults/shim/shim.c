/* A PKCS#11 module that hands every call on to a real one, except for the faults that a control file asks for.
 *
 * KAGIMORI_SHIM_MODULE: the real module. KAGIMORI_SHIM_CONTROL: the control file (commands.c), looked at in every call;
 * absent or empty: nothing is changed. KAGIMORI_SHIM_INIT: what C_Initialize gets as its reserved parameter, if set. */
#include <stddef.h>

#include "cryptoki.h"
#include "faults.h"
#include "module.h"

typedef CK_ULONG W;

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list);

#define HEAD1 W a
#define HEAD2 HEAD1, W b
#define HEAD3 HEAD2, W c
#define HEAD4 HEAD3, W d
#define HEAD5 HEAD4, W e
#define HEAD6 HEAD5, W f
#define HEAD8 HEAD6, W g, W h
#define LIST1 a
#define LIST2 LIST1, b
#define LIST3 LIST2, c
#define LIST4 LIST3, d
#define LIST5 LIST4, e
#define LIST6 LIST5, f
#define LIST8 LIST6, g, h

/* Each function under a name of its own, so that none can be taken for the real module's. */
#define STUB(name, arity) \
    static CK_RV shim_##name(HEAD##arity) \
    { \
        return through(F_##name, (W[MOST_ARGUMENTS]){LIST##arity}); \
    }
CK_FUNCTIONS(STUB)

#define ENTRY(name, arity) shim_##name,
static CK_FUNCTION_LIST functions = {{2, 40}, {CK_FUNCTIONS(ENTRY)}};

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list)
{
    if (list == NULL)
        return CKR_ARGUMENTS_BAD;
    CK_RV code = module_load();
    if (code == CKR_OK)
        code = shim_C_GetFunctionList((W)list);
    if (code == CKR_OK) {
        functions.version = module_version();
        functions.functions[F_C_GetFunctionList] = C_GetFunctionList;
        *list = &functions;
    }
    return code;
}
