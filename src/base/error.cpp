// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <ct/error.hpp>

#include <algorithm>

#include "base/concat.hpp"

namespace ct {

namespace {

class Category final : public std::error_category {
public:
    const char* name() const noexcept override { return "libct"; }

    std::string message(int value) const override {
        switch (static_cast<Errc>(value)) {
        case Errc::InvalidConfig: return "invalid configuration";
        case Errc::InvalidState: return "not possible in this state";
        case Errc::NameInUse: return "name already in use";
        case Errc::ChildDied: return "the new process died during its set-up";
        case Errc::Unsupported: return "not supported on this host";
        case Errc::NotFound: return "no such container";
        case Errc::BadRecord: return "bad record";
        }
        return "unknown error";
    }

    std::error_condition default_error_condition(int value) const noexcept override {
        switch (static_cast<Errc>(value)) {
        case Errc::InvalidConfig: return std::errc::invalid_argument;
        case Errc::InvalidState: return std::errc::operation_not_permitted;
        case Errc::NameInUse: return std::errc::file_exists;
        case Errc::ChildDied: return std::errc::no_child_process;
        case Errc::Unsupported: return std::errc::not_supported;
        case Errc::NotFound: return std::errc::no_such_file_or_directory;
        case Errc::BadRecord: return std::errc::bad_message;
        }
        return {value, *this};
    }
};

} // namespace

const std::error_category& error_category() noexcept {
    static const Category category;
    return category;
}

std::error_code make_error_code(Errc code) noexcept {
    return {static_cast<int>(code), error_category()};
}

std::string_view to_string(Stage stage) noexcept {
    switch (stage) {
    case Stage::Configure: return "configure";
    case Stage::Session: return "session";
    case Stage::Launch: return "launch";
    case Stage::Namespaces: return "namespaces";
    case Stage::IdMap: return "idmap";
    case Stage::Root: return "root";
    case Stage::Mounts: return "mounts";
    case Stage::Devices: return "devices";
    case Stage::Hostname: return "hostname";
    case Stage::Sysctls: return "sysctls";
    case Stage::Stdio: return "stdio";
    case Stage::Limits: return "limits";
    case Stage::Credentials: return "credentials";
    case Stage::Seccomp: return "seccomp";
    case Stage::Landlock: return "landlock";
    case Stage::Cgroup: return "cgroup";
    case Stage::Network: return "network";
    case Stage::Process: return "process";
    case Stage::Exec: return "exec";
    case Stage::Enter: return "enter";
    case Stage::Signal: return "signal";
    case Stage::Wait: return "wait";
    case Stage::State: return "state";
    case Stage::Hooks: return "hooks";
    }
    return "unknown";
}

struct Error::Detail {
    Stage stage;
    std::string what; ///< Subject and action.
    std::string path;
    std::string hint;
    std::vector<std::string> violations;
    std::string sentence; ///< What what() returns.

    void compose(const std::error_code& code) {
        sentence = what;
        if (!path.empty()) sentence += internal::concat(" '", path, "'");
        if (!sentence.empty()) sentence += ": ";
        sentence += violations.empty() ? code.message() : internal::join(violations, "; ");
        // What stands in brackets is the kernel's own.
        if (!hint.empty()) sentence += internal::concat(hint.front() == '(' ? " " : "; ", hint);
        // Names and paths come from anywhere: they shall neither cut the sentence nor break a line of a log.
        const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
        std::replace_if(sentence.begin(), sentence.end(), is_control, '?');
    }
};

Error::Error(std::error_code code, Stage stage, std::string_view what, std::string_view path, std::string_view hint)
    : Error(code, [&] {
          auto detail = std::make_shared<Detail>();
          detail->stage = stage;
          detail->what = what;
          detail->path = path;
          detail->hint = hint;
          detail->compose(code);
          return detail;
      }()) {}

Error::Error(std::error_code code, std::shared_ptr<const Detail> detail)
    : std::system_error(code), detail_(std::move(detail)) {}

Error::~Error() = default;
Error::Error(const Error&) noexcept = default;
Error& Error::operator=(const Error&) noexcept = default;

const char* Error::what() const noexcept {
    return detail_->sentence.c_str();
}

Stage Error::stage() const noexcept {
    return detail_->stage;
}

const std::string& Error::path() const noexcept {
    return detail_->path;
}

const std::string& Error::hint() const noexcept {
    return detail_->hint;
}

const std::vector<std::string>& Error::violations() const noexcept {
    return detail_->violations;
}

Error Error::invalid_config(std::string_view subject, std::vector<std::string> violations) {
    const std::error_code code = Errc::InvalidConfig;
    auto detail = std::make_shared<Detail>();
    detail->stage = Stage::Configure;
    detail->what = subject;
    detail->violations = std::move(violations);
    detail->compose(code);
    return {code, std::move(detail)};
}

Error Error::with_subject(std::string_view subject) const {
    auto detail = std::make_shared<Detail>(*detail_);
    detail->what = detail->what.empty() ? std::string(subject) : internal::concat(subject, ": ", detail->what);
    detail->compose(code());
    return {code(), std::move(detail)};
}

Error Error::with_hint(std::string_view clause) const {
    auto detail = std::make_shared<Detail>(*detail_);
    detail->hint += internal::concat(detail->hint.empty() ? "" : "; ", clause);
    detail->compose(code());
    return {code(), std::move(detail)};
}

} // namespace ct
