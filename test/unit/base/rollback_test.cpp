// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "base/rollback.hpp"

#include <string>

#include <gtest/gtest.h>

namespace ct::internal {
namespace {

class RollbackTest : public ::testing::Test {
protected:
    void add(Rollback& rollback, char mark) {
        rollback.add([this, mark] { undone_ += mark; });
    }
    std::string undone_;
};

TEST_F(RollbackTest, UndoesLastInFirstOut) {
    {
        Rollback rollback;
        for (const char mark : {'a', 'b', 'c'}) add(rollback, mark);
        EXPECT_EQ(undone_, "");
    }
    EXPECT_EQ(undone_, "cba");
}

TEST_F(RollbackTest, DismissedUndoesNothing) {
    {
        Rollback rollback;
        add(rollback, 'a');
        rollback.dismiss();
        add(rollback, 'b');
    }
    EXPECT_EQ(undone_, "b");
}

TEST_F(RollbackTest, RunsEachActionOnce) {
    {
        Rollback rollback;
        add(rollback, 'a');
        add(rollback, 'b');
        rollback.run();
        EXPECT_EQ(undone_, "ba");
    }
    EXPECT_EQ(undone_, "ba");
}

TEST_F(RollbackTest, RunsWhatAnActionAdds) {
    Rollback rollback;
    rollback.add([&] {
        undone_ += 'a';
        add(rollback, 'b');
    });
    rollback.run();
    EXPECT_EQ(undone_, "ab");
}

TEST_F(RollbackTest, MovingHandsTheActionsOver) {
    Rollback first;
    add(first, 'a');
    {
        const Rollback second = std::move(first);
        first.run(); // NOLINT(bugprone-use-after-move): is empty
        EXPECT_EQ(undone_, "");
    }
    EXPECT_EQ(undone_, "a");
}

TEST_F(RollbackTest, AssignmentUndoesItsOwnFirst) {
    Rollback target;
    add(target, 'a');
    {
        Rollback source;
        add(source, 'b');
        target = std::move(source);
        EXPECT_EQ(undone_, "a");
    }
    EXPECT_EQ(undone_, "a");
    target.run();
    EXPECT_EQ(undone_, "ab");
}

TEST_F(RollbackTest, AssignmentToItselfKeepsTheActions) {
    Rollback rollback;
    add(rollback, 'a');
    Rollback& same = rollback;
    rollback = std::move(same);
    EXPECT_EQ(undone_, "");
    rollback.run();
    EXPECT_EQ(undone_, "a");
}

} // namespace
} // namespace ct::internal
