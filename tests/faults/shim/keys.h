/* Which key a call is about, by its label; and handles of other keys. */
#ifndef KAGIMORI_SHIM_KEYS_H
#define KAGIMORI_SHIM_KEYS_H

#include "cryptoki.h"

/* After a call that worked: remembers sessions, the slots they are on, and the keys of their operations. */
void remember(int function, const CK_ULONG *arguments);

/* Whether the call is about the key with this label, or one whose label ends in this word. Gives up on a function that is about no key. */
int is_about(int function, const CK_ULONG *arguments, const char *label);

/* A key with the label and the class, on the session's token; found in a session of its own. */
CK_OBJECT_HANDLE key_named(CK_SESSION_HANDLE session, CK_ULONG key_class, const char *label);

/* Begins the session's running encryption (AES-ECB) anew with a key; 0: with the one that it was begun with. */
void restart_encryption(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key);

/* C_CloseAllSessions on every slot that a session was opened on. */
void drop_sessions(void);

#endif
