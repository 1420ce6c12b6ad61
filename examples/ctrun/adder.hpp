// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <functional>
#include <stdexcept>
#include <string>

#include <CLI/CLI.hpp>

namespace ctrun {

/// Adds options to one subcommand. Each is handled when it is met, so that those of different names keep their order.
class Adder {
public:
    explicit Adder(CLI::App& app) : app_(app) {}

    void group(const std::string& name) { app_.option_defaults()->group(name); }

    template <typename Handler>
    void option(const std::string& names, const char* value, const char* help, Handler handle) {
        const auto checked = [names, handle](const std::string& text) {
            try {
                handle(text);
            } catch (const std::invalid_argument& error) {
                throw CLI::ValidationError(names, error.what());
            }
        };
        app_.add_option_function<std::string>(names, checked, help)->type_name(value)->trigger_on_parse();
    }

    void flag(const std::string& names, const char* help, const std::function<void()>& handle) {
        app_.add_flag_callback(names, handle, help);
    }

private:
    CLI::App& app_;
};

} // namespace ctrun
