// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include "ctrun_fixture.hpp"

namespace ct::test {
namespace {

class CtrunHooks : public CtrunTest {
protected:
    [[nodiscard]] std::string file(const char* name) const { return (dir() / name).string(); }
};

TEST_F(CtrunHooks, RunAtTheirPointsAndReadTheState) {
    const Said said = ctrun(shell({"--annotation", "key=value", "--hook", "prestart=cat >" + file("one"), "--hook",
                                   "createContainer=cat >" + file("two"), "--hook", "poststart:60=cat >" + file("three"),
                                   "--hook", "poststop=cat >" + file("four")},
                                  "exit 7"));
    EXPECT_EQ(said.status, 7) << said;
    EXPECT_TRUE(contains(content(file("one")), "\"annotations\":{\"key\":\"value\"}"));
    EXPECT_TRUE(contains(content(file("two")), "\"pid\":1}"));
    EXPECT_TRUE(contains(content(file("three")), "\"status\":\"running\""));
    EXPECT_TRUE(contains(content(file("four")), "\"status\":\"stopped\""));
}

TEST_F(CtrunHooks, FailureIsTold) {
    const Said said = ctrun(shell({"--hook", "createRuntime=echo reason >&2; exit 1"}, "echo hello"));
    EXPECT_NE(said.status, 0) << said;
    EXPECT_EQ(said.out, "");
    EXPECT_TRUE(contains(said.err, "run createRuntime hook '/bin/sh': Operation canceled; it exited with code 1; it "
                                   "wrote: reason"));
    const Said late = ctrun(shell({"--hook", "poststop:1=exec sleep 1000"}, "echo hello"));
    EXPECT_EQ(late.status, 0) << late;
    EXPECT_TRUE(contains(late.err, "after its time limit of 1 s"));
}

TEST_F(CtrunHooks, OfALoggedContainerAreWaitedFor) {
    const Said said = ctrun(
        shell({"--log", "plain:" + file("log"), "--hook", "poststop=sleep 0.1; echo >" + file("over")}, "exit 3"));
    EXPECT_EQ(said.status, 3) << said;
    EXPECT_TRUE(std::filesystem::exists(file("over")));
}

TEST_F(CtrunHooks, BadOnesAreRefused) {
    for (const char* bad : {"poststop", "poststop=", "never=true", "poststop:x=true", "poststop:0=true"}) {
        const Said said = ctrun(shell({"--hook", bad}, "true"));
        EXPECT_NE(said.status, 0) << bad;
        EXPECT_NE(said.err, "") << bad;
    }
    EXPECT_TRUE(contains(ctrun(shell({"--hook", "never=true"}, "true")).err, "createRuntime (or prestart)"));
}

} // namespace
} // namespace ct::test
