// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <memory>
#include <optional>
#include <string>

namespace ct::internal {

/// What tells whose a group is: an extended attribute with a text that no other run of any container has. It counts as
/// in use as long as this object is there.
class GroupMark {
public:
    GroupMark();
    ~GroupMark();
    /// One more of the same process, without a look at who that is.
    [[nodiscard]] std::shared_ptr<const GroupMark> another() const;
    GroupMark(const GroupMark&) = delete;
    GroupMark& operator=(const GroupMark&) = delete;

    [[nodiscard]] const std::string& text() const noexcept { return text_; }
    /// As far as the kernel can, before Linux 5.7 it cannot.
    void put_on(int directory) const noexcept;

private:
    explicit GroupMark(std::string owner);

    const std::string owner_;
    const std::string text_;
};

/// The mark of a group; empty if libct has not made it.
[[nodiscard]] std::optional<std::string> mark_of(int directory);
/// Whether somebody still uses the group with that mark: another process that lives, or an object of this one.
[[nodiscard]] bool is_in_use(const std::string& mark);

} // namespace ct::internal
