/* One call on its way: the faults that are due, before and after the real function. */
#ifndef KAGIMORI_SHIM_FAULTS_H
#define KAGIMORI_SHIM_FAULTS_H

#include "cryptoki.h"

/* The real function, with whatever the control file asks for; ``arguments`` may be written to. */
CK_RV through(int function, CK_ULONG *arguments);

#endif
