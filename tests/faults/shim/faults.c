/* One call on its way: the faults that are due, before and after the real function. */
#include "faults.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "keys.h"
#include "module.h"

/* Where a function's answer is: which argument, which one points to its length, and the bytes of a unit of that. */
static const struct answer {
    int function, at, length;
    size_t unit;
} ANSWERS[] = {
    {F_C_Encrypt, 3, 4, 1},       {F_C_EncryptUpdate, 3, 4, 1}, {F_C_EncryptFinal, 1, 2, 1},
    {F_C_Decrypt, 3, 4, 1},       {F_C_DecryptUpdate, 3, 4, 1}, {F_C_DecryptFinal, 1, 2, 1},
    {F_C_Digest, 3, 4, 1},        {F_C_DigestFinal, 1, 2, 1},   {F_C_Sign, 3, 4, 1},
    {F_C_SignFinal, 1, 2, 1},     {F_C_WrapKey, 4, 5, 1},       {F_C_FindObjects, 1, 3, sizeof(CK_ULONG)},
    {F_C_GetSlotList, 1, 2, sizeof(CK_ULONG)},                  {F_C_GetMechanismList, 1, 2, sizeof(CK_ULONG)},
};

struct place {
    unsigned char *bytes;
    CK_ULONG *length; /* null: it cannot be shortened */
    size_t size;
};

/* Where the answer of this call is; nowhere (null) if the caller asked for its length only. */
static struct place place_of(int function, const CK_ULONG *a)
{
    if (function == F_C_GetAttributeValue && a[3] > 0) {
        CK_ATTRIBUTE *first = (CK_ATTRIBUTE *)a[2];
        return (struct place){first->pValue, &first->ulValueLen, first->ulValueLen};
    }
    if (function == F_C_GetTokenInfo) /* label (byte 0), manufacturer (32), model (64), serial number (80) */
        return (struct place){(unsigned char *)a[1], NULL, 96};
    if (function == F_C_GenerateRandom)
        return (struct place){(unsigned char *)a[1], NULL, a[2]};
    for (size_t n = 0; n < sizeof ANSWERS / sizeof *ANSWERS; n++)
        if (ANSWERS[n].function == function) {
            CK_ULONG *length = (CK_ULONG *)a[ANSWERS[n].length];
            return (struct place){(unsigned char *)a[ANSWERS[n].at], length, *length * ANSWERS[n].unit};
        }
    return (struct place){NULL, NULL, 0};
}

static int comes_after(enum action action)
{
    return action == ALTER || action == SHORT || action == ZERO;
}

/* The byte that is altered; beyond the answer if it has none so far. */
static size_t byte_of(const struct command *command, struct place answer)
{
    return command->number < 0 ? answer.size + (size_t)command->number : (size_t)command->number;
}

static int can_spoil(const struct command *command, struct place answer)
{
    if (answer.bytes == NULL || answer.size == 0)
        return 0;
    if (command->action == SHORT)
        return answer.length != NULL && *answer.length >= (CK_ULONG)command->number;
    return command->action == ZERO || byte_of(command, answer) < answer.size;
}

static void spoil(const struct command *command, struct place answer)
{
    if (command->action == ALTER)
        answer.bytes[byte_of(command, answer)] ^= 1;
    else if (command->action == ZERO)
        memset(answer.bytes, 0, answer.size);
    else
        *answer.length -= (CK_ULONG)command->number;
}

static void wait_milliseconds(long milliseconds)
{
    struct timespec rest = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    while (nanosleep(&rest, &rest) != 0)
        ;
}

static void swap(const struct command *command, int function, CK_ULONG *a)
{
    if (function != F_C_EncryptUpdate && function != F_C_EncryptInit && function != F_C_SignInit)
        give_up("swap: not at %s", FUNCTION_NAMES[function]);
    CK_ULONG key_class = function == F_C_SignInit ? CKO_PRIVATE_KEY : CKO_SECRET_KEY;
    CK_OBJECT_HANDLE other = key_named(a[0], key_class, command->label);
    if (function == F_C_EncryptUpdate)
        restart_encryption(a[0], other);
    else
        a[2] = other;
}

/* An error ends the operation (PKCS#11 2.40, section 5.2), so it is ended in the real module as well. */
static void end_operation(int function, const CK_ULONG *a)
{
    static unsigned char thrown_away[1 << 16];
    CK_ULONG length = sizeof thrown_away;
    if (function == F_C_Sign || function == F_C_Encrypt || function == F_C_Decrypt || function == F_C_Digest)
        hand_on(function, (CK_ULONG[]){a[0], a[1], a[2], (CK_ULONG)thrown_away, (CK_ULONG)&length});
}

/* What is done before the real function; false: it is not called at all. */
static int prepare(const struct command *command, int function, CK_ULONG *a)
{
    switch (command->action) {
    case FAIL:
        end_operation(function, a);
        return 0;
    case DELAY:
        wait_milliseconds(command->number);
        break;
    case HANG:
        for (;;)
            pause();
    case CRASH:
        raise(SIGSEGV);
        break;
    case DROP:
        drop_sessions();
        break;
    case SWAP:
        swap(command, function, a);
        break;
    default:
        break;
    }
    return 1;
}

static int fits(const struct command *command, int function, const CK_ULONG *a)
{
    if (command->action == SWAP && function == F_C_EncryptUpdate && a[3] == 0) /* asked for the length alone */
        return 0;
    return command->key[0] == '\0' || is_about(function, a, command->key);
}

/* A call, as it was asked, with the commands for its function. */
struct call {
    int function;
    CK_ULONG asked[MOST_ARGUMENTS];
    struct command commands[MOST_COMMANDS];
    size_t count;
    int swapped;
};

/* Does what is due before the real function; false: that one is not called, and ``code`` is the answer. */
static int before(struct call *call, CK_ULONG *a, CK_RV *code)
{
    for (const struct command *one = call->commands; one < call->commands + call->count; one++) {
        if (comes_after(one->action) || !fits(one, call->function, call->asked) || !is_due(one))
            continue;
        if (!prepare(one, call->function, a)) {
            *code = (CK_RV)one->number;
            return 0;
        }
        call->swapped |= one->action == SWAP;
    }
    return 1;
}

/* Spoils the answer of the real function, as is due. */
static void after(const struct call *call, const CK_ULONG *a)
{
    for (const struct command *one = call->commands; one < call->commands + call->count; one++) {
        if (!comes_after(one->action))
            continue;
        struct place answer = place_of(call->function, a);
        if (can_spoil(one, answer) && fits(one, call->function, call->asked) && is_due(one))
            spoil(one, answer);
    }
}

CK_RV through(int function, CK_ULONG *a)
{
    struct call call; /* not all of it cleared: this runs in every call */
    CK_RV code = CKR_OK;
    call.function = function;
    call.swapped = 0;
    memcpy(call.asked, a, sizeof call.asked);
    call.count = commands_for(function, call.commands);
    if (!before(&call, a, &code))
        return code;
    code = hand_on(function, a);
    if (call.swapped && function == F_C_EncryptUpdate)
        restart_encryption(a[0], 0);
    if (code == CKR_OK) {
        remember(function, call.asked);
        after(&call, a);
    }
    return code;
}
