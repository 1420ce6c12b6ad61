// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <algorithm>
#include <cerrno>

#include "base/concat.hpp"
#include "config/user_name.hpp"
#include "plan/compile.hpp"

namespace ct::internal {

void plan_user(Plan& plan, const ProcessSpec& process, const FdLayout& fds) {
    if (process.user_name.empty()) return;
    const UserName name = parse_user_name(process.user_name);
    plan.user = plan.make<UserIds>();
    UserIds& ids = *plan.user;
    ids.uid = name.uid.value_or(0);
    ids.gid = name.gid.value_or(0);
    constexpr std::string_view home = "HOME=/";
    std::copy(home.begin(), home.end(), ids.home_entry);
    ids.group_count = static_cast<std::uint32_t>(process.more_groups.size());
    std::copy(process.more_groups.begin(), process.more_groups.end(), ids.groups);
    const char* const user = name.uid ? nullptr : plan.text(name.user);
    const bool with_groups = name.group.empty();
    if (user != nullptr || with_groups || process.user_needs_entry) {
        plan.steps.add(
            Op::FindUser, UserArgs{user, nullptr, with_groups, &ids, process.user_needs_entry},
            {Stage::Credentials, plan.text("find user '", name.user, "' in the container's"), "/etc/passwd"});
    }
    if (with_groups) {
        plan.steps.add(Op::FindMemberships, UserArgs{user, nullptr, true, &ids},
                       {Stage::Credentials, plan.text("find the groups of user '", name.user, "' in the container's"),
                        "/etc/group"});
    } else if (!name.gid) {
        plan.steps.add(
            Op::FindGroup, UserArgs{user, plan.text(name.group), false, &ids},
            {Stage::Credentials, plan.text("find group '", name.group, "' in the container's"), "/etc/group"});
    }
    if (!fds.made.empty()) {
        plan.steps.add(Op::OwnStreams,
                       OwnStreamsArgs{plan.array(fds.made), static_cast<std::uint32_t>(fds.made.size()), &ids},
                       {Stage::Stdio, "give the streams to the user"});
    }
}

std::string user_hint(Op op, int error) {
    switch (error) {
    case ENODATA: return "there is no entry of that name";
    case EINVAL: return "the entry is malformed";
    case EFBIG: return "the file is larger than 128 MiB";
    case EISDIR:
    case EOPNOTSUPP: return "it is not a regular file";
    case ELOOP: return "a symbolic link in the way leads in circles, or through a link of /proc";
    case E2BIG: return concat("these are more than ", UserIds::MaxGroups);
    case ENOENT: return op == Op::FindUser ? "a user can be given by number without it" : "";
    default: return {};
    }
}

} // namespace ct::internal
