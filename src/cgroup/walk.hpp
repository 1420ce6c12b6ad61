// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <string>
#include <vector>

/// Going through a group and all below it, which a container may have made: so however many they are, however deep.
namespace ct::internal {

/// What is done on the way.
class GroupVisitor {
public:
    GroupVisitor() = default;
    GroupVisitor(const GroupVisitor&) = delete;
    GroupVisitor& operator=(const GroupVisitor&) = delete;
    virtual ~GroupVisitor() = default;

    /// In each group, before those below it. \param directory  borrowed
    virtual void visit(int directory) { (void)directory; }
    /// Before a group is opened. \returns whether it is to be visited
    virtual bool descend(int parent, const std::string& name) { return (void)parent, (void)name, true; }
    /// When a group and all below have been visited.
    virtual void ascend(int parent, const std::string& name) { (void)parent, (void)name; }
    /// A group that could not be opened.
    virtual void refused(const std::string& name, int error) { (void)name, (void)error; }
};

/// Visits the group \p top and all below it, with one descriptor and no recursion. Groups that appear or go meanwhile
/// are visited or not.
void walk_groups(int top, GroupVisitor& visitor);

} // namespace ct::internal
