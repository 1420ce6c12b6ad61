/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#ifndef CT_TEST_CAPI_FUZZ_H
#define CT_TEST_CAPI_FUZZ_H

#include "check.h"

/* What random calls are made of. */

/* A number from 0 on. */
unsigned next(unsigned below);
/* A handle of any kind, or none. */
void *any(void);
/* One that later calls use. */
void keep(void *handle);
const char *text(void);
int number(void);

/* One random call of what the first libct did not have, by theme. */
void call_streams_and_hooks(void);
void call_places(void);
void call_readers(void);
void call_processes(void);
void call_groups(void);

#endif
