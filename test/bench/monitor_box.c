// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// An OCI runtime that does as little as it can, and its container.
//
//     monitor_box [OPTION...] create [OPTION...] --pid-file FILE [OPTION...] ID
//
// The container opens the fifo CT_BENCH_GATE, which takes until the benchmark opens it, too, and then writes as many
// bytes as CT_BENCH_BYTES says, in lines of CT_BENCH_LINE bytes (0: without a newline). With CT_BENCH_STAY it then
// stays until it is killed. It runs on the CPU CT_BENCH_CPU.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char block[65536];

static size_t number(const char* name) {
    const char* const text = getenv(name);
    return text == NULL ? 0 : strtoul(text, NULL, 10);
}

static void move_to(size_t cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static int contain(void) {
    move_to(number("CT_BENCH_CPU"));
    const size_t line = number("CT_BENCH_LINE");
    const size_t whole = line == 0 ? sizeof block : sizeof block / line * line;
    memset(block, 'x', sizeof block);
    for (size_t at = line; line != 0 && at <= whole; at += line) block[at - 1] = '\n';
    if (open(getenv("CT_BENCH_GATE"), O_RDONLY | O_CLOEXEC) < 0) return 1;
    for (size_t left = number("CT_BENCH_BYTES"), size = 0; left > 0; left -= size) {
        size = left < whole ? left : whole;
        if (write(1, block, size) != (ssize_t)size) return 2; // a pipe that blocks takes all
    }
    while (getenv("CT_BENCH_STAY") != NULL) pause();
    return 0;
}

int main(int argc, char** argv) {
    const char* file = NULL;
    for (int i = 1; i + 1 < argc; ++i)
        if (strcmp(argv[i], "--pid-file") == 0) file = argv[i + 1];
    if (file == NULL) return 2;
    const pid_t pid = fork();
    if (pid < 0) return 1;
    if (pid == 0) return contain();
    const int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return fd < 0 || dprintf(fd, "%d", pid) < 0;
}
