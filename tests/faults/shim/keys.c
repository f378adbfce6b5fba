/* Which key a call is about, by its label; and handles of other keys. */
#include "keys.h"

#include <pthread.h>
#include <string.h>

#include "module.h"

#define MOST_SESSIONS 1024
#define MOST_SLOTS 32

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct operation {
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE key;
} operations[MOST_SESSIONS]; /* a session that was closed stays until its handle is given out again */
static size_t sessions;
static CK_SLOT_ID slots[MOST_SLOTS];
static size_t slot_count;

static struct operation *operation_of(CK_SESSION_HANDLE session)
{
    for (size_t n = 0; n < sessions; n++)
        if (operations[n].session == session)
            return &operations[n];
    return NULL;
}

static void remember_key(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    struct operation *known = operation_of(session);
    if (known == NULL) {
        if (sessions == MOST_SESSIONS)
            give_up("more than %d sessions", MOST_SESSIONS);
        known = &operations[sessions++];
    }
    *known = (struct operation){session, key};
}

static void remember_slot(CK_SLOT_ID slot)
{
    for (size_t n = 0; n < slot_count; n++)
        if (slots[n] == slot)
            return;
    if (slot_count == MOST_SLOTS)
        give_up("more than %d slots", MOST_SLOTS);
    slots[slot_count++] = slot;
}

void remember(int function, const CK_ULONG *a)
{
    pthread_mutex_lock(&lock);
    switch (function) {
    case F_C_OpenSession:
        remember_slot(a[0]);
        break;
    case F_C_EncryptInit: case F_C_DecryptInit: case F_C_SignInit: case F_C_VerifyInit:
        remember_key(a[0], a[2]);
        break;
    }
    pthread_mutex_unlock(&lock);
}

static CK_OBJECT_HANDLE running_key(CK_SESSION_HANDLE session)
{
    pthread_mutex_lock(&lock);
    struct operation *known = operation_of(session);
    CK_OBJECT_HANDLE key = known == NULL ? 0 : known->key;
    pthread_mutex_unlock(&lock);
    return key;
}

static CK_OBJECT_HANDLE key_of_call(int function, const CK_ULONG *a)
{
    switch (function) {
    case F_C_DestroyObject: case F_C_GetAttributeValue: case F_C_SetAttributeValue: case F_C_CopyObject:
    case F_C_GetObjectSize:
        return a[1];
    case F_C_EncryptInit: case F_C_DecryptInit: case F_C_SignInit: case F_C_VerifyInit:
        return a[2];
    case F_C_WrapKey:
        return a[3];
    case F_C_Encrypt: case F_C_EncryptUpdate: case F_C_EncryptFinal: case F_C_Decrypt: case F_C_DecryptUpdate:
    case F_C_DecryptFinal: case F_C_Sign: case F_C_SignUpdate: case F_C_SignFinal: case F_C_Verify:
    case F_C_VerifyUpdate: case F_C_VerifyFinal:
        return running_key(a[0]);
    default:
        give_up("%s is about no key", FUNCTION_NAMES[function]);
    }
}

/* Of a key that is yet to be made: the label in its template, which is the argument ``at``; its length is the next one. */
static CK_ULONG label_in(const CK_ULONG *a, int at, char *label, CK_ULONG room)
{
    const CK_ATTRIBUTE *attributes = (const CK_ATTRIBUTE *)a[at];
    for (CK_ULONG n = 0; n < a[at + 1]; n++)
        if (attributes[n].type == CKA_LABEL && attributes[n].ulValueLen < room) {
            memcpy(label, attributes[n].pValue, attributes[n].ulValueLen);
            return attributes[n].ulValueLen;
        }
    return 0;
}

static CK_ULONG label_of_call(int function, const CK_ULONG *a, char *label, CK_ULONG room)
{
    switch (function) {
    case F_C_CreateObject:
        return label_in(a, 1, label, room);
    case F_C_GenerateKey:
        return label_in(a, 2, label, room);
    case F_C_GenerateKeyPair:
        return label_in(a, 4, label, room);
    case F_C_UnwrapKey:
        return label_in(a, 5, label, room);
    }
    CK_ATTRIBUTE wanted = {CKA_LABEL, label, room - 1};
    CK_ULONG ask[] = {a[0], key_of_call(function, a), (CK_ULONG)&wanted, 1};
    return ask[1] != 0 && hand_on(F_C_GetAttributeValue, ask) == CKR_OK ? wanted.ulValueLen : 0;
}

int is_about(int function, const CK_ULONG *a, const char *label)
{
    char found[256] = "";
    if (label_of_call(function, a, found, sizeof found) == 0)
        return 0;
    const char *last = strrchr(found, ' '); /* a key that is being made is labelled "staging …" */
    return strcmp(found, label) == 0 || (last != NULL && strcmp(last + 1, label) == 0);
}

CK_OBJECT_HANDLE key_named(CK_SESSION_HANDLE session, CK_ULONG key_class, const char *label)
{
    CK_SESSION_INFO info = {0};
    CK_SESSION_HANDLE own = 0;
    CK_OBJECT_HANDLE key = 0;
    CK_ULONG found = 0;
    CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &key_class, sizeof key_class}, {CKA_LABEL, (void *)label, strlen(label)}};
    CK_RV code = hand_on(F_C_GetSessionInfo, (CK_ULONG[]){session, (CK_ULONG)&info});
    if (code == CKR_OK)
        code = hand_on(F_C_OpenSession, (CK_ULONG[]){info.slotID, CKF_SERIAL_SESSION, 0, 0, (CK_ULONG)&own});
    if (code == CKR_OK)
        code = hand_on(F_C_FindObjectsInit, (CK_ULONG[]){own, (CK_ULONG)wanted, 2});
    if (code == CKR_OK)
        code = hand_on(F_C_FindObjects, (CK_ULONG[]){own, (CK_ULONG)&key, 1, (CK_ULONG)&found});
    hand_on(F_C_FindObjectsFinal, (CK_ULONG[]){own});
    hand_on(F_C_CloseSession, (CK_ULONG[]){own});
    if (code != CKR_OK || found != 1)
        give_up("no key %s to swap with (code %#lx)", label, code);
    return key;
}

void restart_encryption(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
    unsigned char rest[64];
    CK_ULONG length = sizeof rest;
    CK_MECHANISM mechanism = {CKM_AES_ECB, NULL, 0};
    hand_on(F_C_EncryptFinal, (CK_ULONG[]){session, (CK_ULONG)rest, (CK_ULONG)&length});
    CK_ULONG begin[] = {session, (CK_ULONG)&mechanism, key == 0 ? running_key(session) : key};
    CK_RV code = hand_on(F_C_EncryptInit, begin);
    if (code != CKR_OK)
        give_up("the encryption cannot be begun anew (code %#lx)", code);
}

void drop_sessions(void)
{
    for (size_t n = 0; n < slot_count; n++)
        hand_on(F_C_CloseAllSessions, (CK_ULONG[]){slots[n]});
}
