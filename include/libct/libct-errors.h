/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#ifndef LIBCT_ERRORS_H
#define LIBCT_ERRORS_H

/*
 * Errors of libct.h: functions return them negated, or as handles that encode them (libct_handle_to_err()). What has
 * none of these is -1, with errno set; see libct_errors(3).
 */

/* The container is in another state than the call needs. */
#define LCTERR_BADCTSTATE 1002
/* No such type or option. */
#define LCTERR_BADTYPE 1003
/* The argument does not fit this object. */
#define LCTERR_BADARG 1004
/* The container has no namespace of the kind that this needs, or the kernel has none. */
#define LCTERR_NONS 1005
/* There is no such thing. */
#define LCTERR_NOTFOUND 1006
/* An invalid argument; among them a handle that is NULL, an error, of another kind, or of something that is gone. */
#define LCTERR_INVARG 1007
/* This kind of session cannot do that. */
#define LCTERR_OPNOTSUPP 1008
/* A mount of the container, or its private area, failed. */
#define LCTERR_CANTMOUNT 1010
/* A control group could not be made, or its controller is nowhere. */
#define LCTERR_CGCREATE 1021
/* A control file refused its value. */
#define LCTERR_CGCONFIG 1022
/* The process could not be put into a control group. */
#define LCTERR_CGATTACH 1023

/* No function returns these. */
#define LCTERR_BADCTRID 1042
#define LCTERR_BADCTRNAME 1043
#define LCTERR_RPCUNKNOWN 1044
#define LCTERR_RPCCOMM 1045

#endif
