/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */

/* The program ct_reaper as data. */
    .section .rodata
    .globl ct_reaper_begin
    .globl ct_reaper_end
    .hidden ct_reaper_begin
    .hidden ct_reaper_end
    .balign 16
ct_reaper_begin:
    .incbin CT_REAPER
ct_reaper_end:
    .section .note.GNU-stack, "", %progbits
