/* What the shim needs of PKCS#11 2.40 (OASIS), by the standard's names. Written here, so that no header need be installed. */
#ifndef KAGIMORI_CRYPTOKI_H
#define KAGIMORI_CRYPTOKI_H

typedef unsigned long CK_ULONG;
typedef CK_ULONG CK_RV, CK_FLAGS, CK_SLOT_ID, CK_SESSION_HANDLE, CK_OBJECT_HANDLE, CK_ATTRIBUTE_TYPE;

typedef struct {
    unsigned char major, minor;
} CK_VERSION;

typedef struct {
    CK_ATTRIBUTE_TYPE type;
    void *pValue;
    CK_ULONG ulValueLen;
} CK_ATTRIBUTE;

typedef struct {
    CK_ULONG mechanism;
    void *pParameter;
    CK_ULONG ulParameterLen;
} CK_MECHANISM;

typedef struct {
    CK_SLOT_ID slotID;
    CK_ULONG state;
    CK_FLAGS flags;
    CK_ULONG ulDeviceError;
} CK_SESSION_INFO;

/* NSS reads its parameters where the standard has pReserved, and wants one more field after it (null). */
typedef struct {
    void *CreateMutex, *DestroyMutex, *LockMutex, *UnlockMutex;
    CK_FLAGS flags;
    const void *pReserved, *after;
} CK_C_INITIALIZE_ARGS;

#define CKR_OK 0x000UL
#define CKR_GENERAL_ERROR 0x005UL
#define CKR_ARGUMENTS_BAD 0x007UL
#define CKR_FUNCTION_NOT_SUPPORTED 0x054UL
#define CKF_OS_LOCKING_OK 0x002UL
#define CKF_SERIAL_SESSION 0x004UL
#define CKA_CLASS 0x000UL
#define CKA_LABEL 0x003UL
#define CKO_PRIVATE_KEY 3UL
#define CKO_SECRET_KEY 4UL
#define CKM_AES_ECB 0x1081UL

/* Every function of CK_FUNCTION_LIST in its order (section 3.6), with the number of its arguments. All are of the size
 * of a CK_ULONG or smaller, so one type serves for all of them. */
#define CK_FUNCTIONS(F) \
    F(C_Initialize, 1) F(C_Finalize, 1) F(C_GetInfo, 1) F(C_GetFunctionList, 1) F(C_GetSlotList, 3) F(C_GetSlotInfo, 2) \
    F(C_GetTokenInfo, 2) F(C_GetMechanismList, 3) F(C_GetMechanismInfo, 3) F(C_InitToken, 4) F(C_InitPIN, 3) \
    F(C_SetPIN, 5) F(C_OpenSession, 5) F(C_CloseSession, 1) F(C_CloseAllSessions, 1) F(C_GetSessionInfo, 2) \
    F(C_GetOperationState, 3) F(C_SetOperationState, 5) F(C_Login, 4) F(C_Logout, 1) F(C_CreateObject, 4) \
    F(C_CopyObject, 5) F(C_DestroyObject, 2) F(C_GetObjectSize, 3) F(C_GetAttributeValue, 4) F(C_SetAttributeValue, 4) \
    F(C_FindObjectsInit, 3) F(C_FindObjects, 4) F(C_FindObjectsFinal, 1) F(C_EncryptInit, 3) F(C_Encrypt, 5) \
    F(C_EncryptUpdate, 5) F(C_EncryptFinal, 3) F(C_DecryptInit, 3) F(C_Decrypt, 5) F(C_DecryptUpdate, 5) \
    F(C_DecryptFinal, 3) F(C_DigestInit, 2) F(C_Digest, 5) F(C_DigestUpdate, 3) F(C_DigestKey, 2) F(C_DigestFinal, 3) \
    F(C_SignInit, 3) F(C_Sign, 5) F(C_SignUpdate, 3) F(C_SignFinal, 3) F(C_SignRecoverInit, 3) F(C_SignRecover, 5) \
    F(C_VerifyInit, 3) F(C_Verify, 5) F(C_VerifyUpdate, 3) F(C_VerifyFinal, 3) F(C_VerifyRecoverInit, 3) \
    F(C_VerifyRecover, 5) F(C_DigestEncryptUpdate, 5) F(C_DecryptDigestUpdate, 5) F(C_SignEncryptUpdate, 5) \
    F(C_DecryptVerifyUpdate, 5) F(C_GenerateKey, 5) F(C_GenerateKeyPair, 8) F(C_WrapKey, 6) F(C_UnwrapKey, 8) \
    F(C_DeriveKey, 6) F(C_SeedRandom, 3) F(C_GenerateRandom, 3) F(C_GetFunctionStatus, 1) F(C_CancelFunction, 1) \
    F(C_WaitForSlotEvent, 3)

#define CK_PLACE(name, arity) F_##name,
enum { CK_FUNCTIONS(CK_PLACE) F_COUNT };
_Static_assert(F_COUNT == 68, "CK_FUNCTION_LIST of PKCS#11 2.40 has 68 functions");
#undef CK_PLACE

typedef struct {
    CK_VERSION version;
    void *functions[F_COUNT];
} CK_FUNCTION_LIST;

#endif
