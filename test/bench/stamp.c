// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// Tells when it does something, by CLOCK_MONOTONIC in nanoseconds.
//
//     stamp exit FILE     writes the time to FILE and ends, once its owner is waiting for that
//     stamp lines COUNT   writes COUNT lines, with the time in each
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void pause_for(long nanoseconds) {
    const struct timespec time = {0, nanoseconds};
    nanosleep(&time, NULL);
}

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    if (strcmp(argv[1], "exit") == 0) {
        const int file = open(argv[2], O_WRONLY | O_CLOEXEC);
        pause_for(2000000);
        const long long time = now();
        _exit(pwrite(file, &time, sizeof time, 0) == sizeof time ? 0 : 1);
    }
    for (int left = atoi(argv[2]); left > 0; --left) {
        pause_for(300000);
        dprintf(1, "%lld\n", now());
    }
    return 0;
}
