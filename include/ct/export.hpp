// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

/// Marks what the shared library exports; everything else has hidden visibility.
#define CT_EXPORT __attribute__((visibility("default")))
