// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

// What ctrun's seccomp and Landlock options make of text.
#include "ctrun_fixture.hpp"

namespace ct::test {
namespace {

class CtrunConfine : public CtrunTest {
protected:
    Said run_filtered(Words options, const std::string& script) {
        options.insert(options.begin(), {"run", "--no-new-privs"});
        options.insert(options.end(), {"--", "/bin/sh", "-c", script});
        return ctrun(options);
    }
    Said run_profile(std::string_view json, const std::string& script) {
        return run_filtered({"--seccomp", make_file("profile.json", json).string()}, script);
    }
    std::string made() { return (dir() / "made").string(); }
};

TEST_F(CtrunConfine, DefaultProfileAndRulesInFrontOfIt) {
    EXPECT_EQ(run_filtered({"--seccomp", "default"}, "umount /nowhere 2>&1; unshare -i true").status, 1);
    EXPECT_EQ(run_filtered({"--seccomp", "default", "--seccomp-rule", "unshare=allow"}, "unshare -i true").status, 0);
    EXPECT_EQ(run_filtered({"--seccomp-rule", "unshare=allow", "--seccomp", "default"}, "unshare -i true").status, 0);
    const Said said = run_filtered({"--seccomp-rule", "mkdir,mkdirat=EXDEV"}, "mkdir " + made());
    EXPECT_TRUE(contains(said.err, "cross-device")) << said;
    EXPECT_EQ(run_filtered({"--seccomp-rule", "mkdir,mkdirat=kill"}, "exec mkdir " + made()).status, 128 + SIGSYS);
}

TEST_F(CtrunConfine, ProfileOfAnOciRuntime) {
    const char* const json = R"({
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_MIPS"],
        "flags": ["SECCOMP_FILTER_FLAG_LOG"],
        "syscalls": [
            {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 18},
            {"names": ["sched_yield"], "action": "SCMP_ACT_ERRNO",
             "args": [{"index": 0, "value": 12, "valueTwo": 8, "op": "SCMP_CMP_MASKED_EQ"}]}]})";
    const Said said = run_profile(json, "mkdir " + made());
    EXPECT_TRUE(contains(said.err, "cross-device")) << said;
}

TEST_F(CtrunConfine, ProfilesThatItCannotServeAreRefused) {
    const std::pair<const char*, const char*> wrong[]{
        {"{", "is not a seccomp profile"},
        {"{}", "defaultAction"},
        {R"({"defaultAction": "SCMP_ACT_NOTIFY"})", "SCMP_ACT_NOTIFY"},
        {R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["newer"], "action": "SCMP_ACT_KILL"}]})",
         "unknown system call newer"},
        {R"({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW",
             "includes": {"caps": ["CAP_SYS_ADMIN"]}}]})",
         "'includes'"},
    };
    for (const auto& [json, part] : wrong) {
        const Said said = run_profile(json, "true");
        EXPECT_EQ(said.status, 125) << said;
        EXPECT_TRUE(contains(said.err, part)) << said;
    }
    EXPECT_TRUE(contains(run_filtered({"--seccomp", "/nowhere"}, "true").err, "No such file"));
    EXPECT_TRUE(contains(run_filtered({"--seccomp-rule", "mkdir"}, "true").err, "is not CALL"));
    EXPECT_TRUE(contains(run_filtered({"--seccomp-rule", "mkdir=what"}, "true").err, "'what' is not allow"));
    EXPECT_TRUE(contains(run_filtered({"--seccomp-rule", "mkdri=allow"}, "true").err, "unknown system call 'mkdri'"));
}

TEST_F(CtrunConfine, LandlockPathsAndPorts) {
    const std::string file = make_file("text", "hello").string();
    const Words rules{"--landlock-exec", "/usr",   "--landlock-exec",    "/bin",  "--landlock-exec", "/lib",
                      "--landlock-exec", "/lib64", "--landlock-connect", "65535", "--landlock-bind", "65535"};
    Said said = run_filtered(rules, "cat " + file);
    if (contains(said.err, "Landlock: ")) GTEST_SKIP() << said.err;
    EXPECT_TRUE(contains(said.err, "Permission denied")) << said;
    Words more = rules;
    more.insert(more.end(), {"--landlock-read", dir().string(), "--landlock-write", dir().string()});
    said = run_filtered(more, "cat " + file + "; mkdir " + made());
    EXPECT_EQ(said.status, 0) << said;
    EXPECT_EQ(said.out, "hello");
    EXPECT_TRUE(std::filesystem::exists(made()));
    EXPECT_TRUE(contains(run_filtered({"--landlock-bind", "65536"}, "true").err, "65536"));
}

} // namespace
} // namespace ct::test
