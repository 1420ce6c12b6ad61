// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "messages.hpp"
#include "monitor/loop.hpp"

namespace ctmon {

struct WindowSize {
    unsigned short rows = 0;
    unsigned short columns = 0;
    bool operator==(const WindowSize&) const = default;
};
struct ReopenLog {
    bool operator==(const ReopenLog&) const = default;
};
using Command = std::variant<WindowSize, ReopenLog>;

/// One line of a control fifo, without its newline. \returns none if it is no command; \p why says why not
[[nodiscard]] std::optional<Command> parse_control(std::string_view line, std::string& why);
/// One line of `winsz`.
[[nodiscard]] std::optional<WindowSize> parse_window_size(std::string_view line);

/// Cuts a stream of bytes into lines; those over 199 bytes are left out, however they come.
class ControlLines {
public:
    void feed(std::string_view bytes, const std::function<void(std::string_view line)>& take);

private:
    std::string line_;
    bool too_long_ = false;
};

/// The fifos `ctl` and `winsz` in the bundle. They stay there at the end of a container that was started; the monitor
/// keeps a writer open itself, so that it never sees the end of file.
class ControlFifos {
public:
    using Handler = std::function<void(const Command&)>;

    /// Makes both anew. \throws ct::Error
    ControlFifos(const std::string& bundle, std::shared_ptr<ct::internal::Loop> loop, const Messages& messages,
                 Handler handler);
    ControlFifos(const ControlFifos&) = delete;
    ControlFifos& operator=(const ControlFifos&) = delete;
    ~ControlFifos();

    /// The container was not created: nothing is to be left. Only what is still ours is removed.
    void remove() noexcept;

private:
    struct Fifo;
    std::shared_ptr<Fifo> ctl_;
    std::shared_ptr<Fifo> winsz_;
};

} // namespace ctmon
