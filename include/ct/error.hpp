// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <ct/export.hpp>

namespace ct {

/// Failures that are libct's own and have no errno.
enum class Errc {
    InvalidConfig = 1, ///< The specification contradicts itself or has a malformed value.
    InvalidState,      ///< The call is not possible in the container's present state.
    NameInUse,         ///< Another container of this session, or of its state directory, has the name.
    ChildDied,         ///< The new process ended before its set-up was finished.
    Unsupported,       ///< This kernel or host cannot do what was asked for.
    NotFound,          ///< There is no container of that name.
    BadRecord,         ///< The record of a container is damaged, or not to be trusted.
};

/// The category of ct::Errc; its values compare equal to the nearest std::errc.
[[nodiscard]] CT_EXPORT const std::error_category& error_category() noexcept;
[[nodiscard]] CT_EXPORT std::error_code make_error_code(Errc code) noexcept;

/// What libct was doing when an error happened.
enum class Stage {
    Configure,   ///< Checking a value or the whole specification; nothing was touched.
    Session,     ///< Opening a session.
    Launch,      ///< Making the new process and talking to it during its set-up.
    Namespaces,  ///< Making or joining namespaces.
    IdMap,       ///< Writing the id maps of a user namespace.
    Root,        ///< Changing the root directory; the private area.
    Mounts,      ///< Mounting inside the root.
    Devices,     ///< Making device nodes and their links.
    Hostname,    ///< Setting the host or domain name.
    Sysctls,     ///< Setting kernel parameters of the container's namespaces.
    Stdio,       ///< Standard streams, the terminal and the descriptor map.
    Limits,      ///< Resource limits.
    Credentials, ///< Users, groups, capabilities, no_new_privs.
    Seccomp,     ///< Building, installing and answering a system call filter.
    Landlock,    ///< Restricting by Landlock.
    Cgroup,      ///< Control groups: making, joining, limiting, reading, removing.
    Network,     ///< Links, addresses, routes and the like.
    Process,     ///< Other attributes: working directory, session, parent-death signal.
    Exec,        ///< Executing the program.
    Enter,       ///< Entering a running container.
    Signal,      ///< Sending a signal.
    Wait,        ///< Waiting for a process.
    State,       ///< Reading or writing the record of a container.
    Hooks,       ///< Running a hook.
};

/// The stage as one lower-case word, for logs.
[[nodiscard]] CT_EXPORT std::string_view to_string(Stage stage) noexcept;

/// The one exception type of libct.
///
/// `code()` is the kernel's errno (std::system_category) or a ct::Errc; `what()` is a whole sentence that names the
/// container, the action and the path: `container 'web': mount proc on '/proc': Operation not permitted`.
/// Copying does not throw.
class CT_EXPORT Error : public std::system_error {
public:
    /// \param what  subject and action, without the path and without the text of \p code
    /// \param path  the file concerned, or empty
    /// \param hint  one more clause for errors whose errno misleads, or empty
    Error(std::error_code code, Stage stage, std::string_view what, std::string_view path = {},
          std::string_view hint = {});
    ~Error() override;
    Error(const Error&) noexcept;
    Error& operator=(const Error&) noexcept;

    [[nodiscard]] const char* what() const noexcept override;
    [[nodiscard]] Stage stage() const noexcept;
    /// The file concerned; empty when no file is involved.
    [[nodiscard]] const std::string& path() const noexcept;
    /// What else to know, for example how to get the missing privilege; often empty.
    [[nodiscard]] const std::string& hint() const noexcept;
    /// Each violation of the specification on its own; empty unless the code is Errc::InvalidConfig.
    [[nodiscard]] const std::vector<std::string>& violations() const noexcept;

    /// An InvalidConfig error that reports all \p violations of \p subject together.
    [[nodiscard]] static Error invalid_config(std::string_view subject, std::vector<std::string> violations);
    /// The same error with \p subject put before its sentence; used where a lower layer does not know the container.
    [[nodiscard]] Error with_subject(std::string_view subject) const;
    /// The same error with one more clause in its hint.
    [[nodiscard]] Error with_hint(std::string_view clause) const;

private:
    struct Detail;
    Error(std::error_code code, std::shared_ptr<const Detail> detail);
    std::shared_ptr<const Detail> detail_;
};

} // namespace ct

template <>
struct std::is_error_code_enum<ct::Errc> : std::true_type {};
