/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */
#ifndef LIBCT_LOG_LEVELS_H
#define LIBCT_LOG_LEVELS_H

/*
 * Levels of messages. Two of these names are also in <syslog.h>, with other values: a source file can include only one
 * of the two headers.
 */
#define LOG_MSG 0   /* always written */
#define LOG_ERROR 1 /* why a call has failed */
#define LOG_WARN 2  /* what could not be undone, and the like */
#define LOG_INFO 3
#define LOG_DEBUG 4

#define DEFAULT_LOGLEVEL LOG_WARN

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Has messages of that level and more urgent ones written to a duplicate of fd, for the whole process; -1 turns them
 * off, as they are before the first call. A message is one write(2) of one line: "Error (FILE:LINE): TEXT",
 * "Warn  (FILE:LINE): TEXT", or TEXT alone. The duplicate is close-on-exec, and replaced by the next call. Any thread
 * may call this at any time.
 */
void libct_log_init(int fd, unsigned int level);

#ifdef __cplusplus
}
#endif

#endif
