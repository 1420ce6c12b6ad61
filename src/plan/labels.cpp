// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors
#include <unistd.h>

#include <fstream>

#include "base/concat.hpp"
#include "plan/compile.hpp"

namespace ct::internal {

namespace {

const char* apparmor_file() {
    // AppArmor's own file is there from Linux 5.8 on; the other one may belong to another module.
    if (::access("/proc/self/attr/apparmor/exec", F_OK) == 0) return "self/attr/apparmor/exec";
    std::ifstream enabled("/sys/module/apparmor/parameters/enabled");
    return enabled.get() == 'Y' ? "self/attr/exec" : nullptr;
}

const char* selinux_file() {
    // Only registered if SELinux was enabled at boot.
    std::ifstream types("/proc/filesystems");
    for (std::string word; types >> word;) {
        if (word == "selinuxfs") return "self/attr/exec";
    }
    return nullptr;
}

void plan_label(Plan& plan, const FdLayout& fds, const char* file, std::string_view module, const std::string& label,
                std::string_view text) {
    if (label.empty()) return;
    const char* const action = plan.text("set the ", module, " label '", label, "' by");
    if (file == nullptr) {
        throw Error(Errc::Unsupported, Stage::Credentials, concat("set the ", module, " label '", label, "'"), {},
                    concat("this kernel has no ", module, ", or it is not enabled"));
    }
    plan_proc_write(plan, fds, file, text, {Stage::Credentials, action, plan.text("/proc/", file)});
}

} // namespace

const LabelFiles& LabelFiles::detect() {
    static const LabelFiles files{apparmor_file(), selinux_file()}; // as of the boot
    return files;
}

void plan_labels(Plan& plan, const ProcessSpec& process, const FdLayout& fds, const LabelFiles& files) {
    const SecurityLabels& labels = process.labels;
    plan_label(plan, fds, files.apparmor, "AppArmor", labels.apparmor, concat("exec ", labels.apparmor));
    plan_label(plan, fds, files.selinux, "SELinux", labels.selinux, labels.selinux);
}

bool writes_proc(const ProcessSpec& process) {
    return process.labels != SecurityLabels{} || process.oom_score_adj;
}

} // namespace ct::internal
