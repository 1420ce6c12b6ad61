// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "oom_watch.hpp"

#include <gtest/gtest.h>
