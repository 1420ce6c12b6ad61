// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

/// \file
/// Everything of libct's C++ interface.

#include <ct/attach.hpp>
#include <ct/attributes.hpp>
#include <ct/cgroup.hpp>
#include <ct/container.hpp>
#include <ct/error.hpp>
#include <ct/hooks.hpp>
#include <ct/event_reader.hpp>
#include <ct/events.hpp>
#include <ct/host_feature.hpp>
#include <ct/landlock.hpp>
#include <ct/limits.hpp>
#include <ct/log.hpp>
#include <ct/log_reader.hpp>
#include <ct/namespaces.hpp>
#include <ct/network.hpp>
#include <ct/network_state.hpp>
#include <ct/process.hpp>
#include <ct/seccomp.hpp>
#include <ct/session.hpp>
#include <ct/spec.hpp>
#include <ct/state.hpp>
#include <ct/stats.hpp>
