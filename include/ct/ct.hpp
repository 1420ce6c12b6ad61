// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

/// \file
/// Everything of libct's C++ interface.

#include <ct/container.hpp>
#include <ct/error.hpp>
#include <ct/namespaces.hpp>
#include <ct/process.hpp>
#include <ct/session.hpp>
#include <ct/spec.hpp>
#include <ct/state.hpp>
