// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace ctrun {

/// Lines of words in columns that are as wide as their widest word.
class Table {
public:
    /// \param head  may be empty: no line for it then
    explicit Table(std::vector<std::string> head = {});
    void add(std::vector<std::string> row);
    void print(std::ostream& stream) const;

private:
    std::vector<std::vector<std::string>> rows_;
};

} // namespace ctrun
