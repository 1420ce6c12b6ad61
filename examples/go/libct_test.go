// SPDX-License-Identifier: Apache-2.0
// SPDX-FileCopyrightText: The libct authors

package libct

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func newContainer(t *testing.T, namespaces uintptr) *Container {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	session, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.Close)
	ct, err := session.Create("go-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ct.Destroy)
	if err := ct.SetNamespaces(namespaces); err != nil {
		t.Fatal(err)
	}
	return ct
}

func shell(script string) Command {
	return Command{Args: []string{"sh", "-c", script}}
}

func start(t *testing.T, ct *Container, command Command) *Process {
	t.Helper()
	process, err := ct.Start(command)
	if err != nil {
		t.Fatal(err)
	}
	return process
}

func wait(t *testing.T, ct *Container) {
	t.Helper()
	if err := ct.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestStart(t *testing.T) {
	ct := newContainer(t, syscall.CLONE_NEWPID|syscall.CLONE_NEWUTS|syscall.CLONE_NEWNS)
	if err := ct.SetHostname("go-host"); err != nil {
		t.Fatal(err)
	}
	if err := ct.MountProc(); err != nil {
		t.Fatal(err)
	}
	process := start(t, ct, shell(`test $$ = 1 && test "$(cat /proc/sys/kernel/hostname)" = go-host && exit 7`))
	if !ct.Running() {
		t.Error("it does not run")
	}
	status, err := process.Wait()
	if err != nil || status.ExitStatus() != 7 {
		t.Errorf("status %v, error %v", status, err)
	}
	if process.Pid() != -1 {
		t.Error("who was waited for has a pid")
	}
	wait(t, ct)
	if status, err := ct.Status(); err != nil || status.ExitStatus() != 7 {
		t.Errorf("status %v, error %v", status, err)
	}
	// Again, with an environment and a user of its own.
	start(t, ct, Command{Args: []string{"/bin/sh", "-c", `test "$ONLY" = this && test "$(id -u)" = 5`},
		Env: []string{"ONLY=this", "PATH=/usr/bin:/bin"}, UID: 5})
	wait(t, ct)
	if status, err := ct.Status(); err != nil || status != 0 {
		t.Errorf("status %v, error %v", status, err)
	}
}

func TestErrors(t *testing.T) {
	ct := newContainer(t, 0)
	_, err := ct.Start(Command{Args: []string{"/no/such/program"}})
	var failure *Error
	if !errors.As(err, &failure) || failure.Code != -1 || !errors.Is(err, syscall.ENOENT) {
		t.Fatalf("%#v", err)
	}
	if !strings.Contains(err.Error(), "/no/such/program") {
		t.Error(err)
	}
	if _, err := ct.Start(Command{}); !errors.As(err, &failure) || failure.Code != Invalid {
		t.Error(err)
	}
	if err := ct.Wait(); !errors.As(err, &failure) || failure.Code != BadState {
		t.Error(err)
	}
	if err := ct.SetSpec(`{"nonsense": 1}`); !errors.As(err, &failure) || failure.Code != Invalid {
		t.Error(err)
	}
	if _, err := ct.session.Create("../x"); !errors.As(err, &failure) || failure.Code != Invalid {
		t.Error(err)
	}
}

func TestExec(t *testing.T) {
	ct := newContainer(t, syscall.CLONE_NEWPID|syscall.CLONE_NEWUTS)
	if err := ct.SetHostname("inside"); err != nil {
		t.Fatal(err)
	}
	start(t, ct, shell("exec sleep 1000"))
	// From several threads at a time.
	var all sync.WaitGroup
	for i := 0; i < 8; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			process, err := ct.Exec(shell(`test "$(uname -n)" = inside && exit 3`))
			if err != nil {
				t.Error(err)
				return
			}
			defer process.Destroy()
			if status, err := process.Wait(); err != nil || status.ExitStatus() != 3 {
				t.Errorf("status %v, error %v", status, err)
			}
		}()
	}
	all.Wait()
	if err := ct.Kill(); err != nil {
		t.Fatal(err)
	}
	wait(t, ct)
	if status, err := ct.Status(); err != nil || status.Signal() != syscall.SIGKILL {
		t.Errorf("status %v, error %v", status, err)
	}
	if _, err := ct.Exec(shell("true")); err == nil {
		t.Error("it entered a stopped container")
	}
}

func TestLogs(t *testing.T) {
	ct := newContainer(t, syscall.CLONE_NEWPID)
	path := filepath.Join(t.TempDir(), "log")
	if err := ct.LogTo(path); err != nil {
		t.Fatal(err)
	}
	var lines []Line
	if err := ct.OnLine(func(line Line) { lines = append(lines, line) }); err != nil {
		t.Fatal(err)
	}
	start(t, ct, shell("echo one; echo two; echo three >&2"))
	wait(t, ct)
	streams := map[int]string{}
	for _, line := range lines {
		if line.Partial || line.Time.IsZero() {
			t.Errorf("%#v", line)
		}
		streams[line.Stream] += line.Text + ";"
	}
	if streams[1] != "one;two;" || streams[2] != "three;" {
		t.Errorf("%v", streams)
	}
	logged, err := os.ReadFile(path)
	if err != nil || strings.Count(string(logged), "\n") != 3 || !strings.Contains(string(logged), " stderr F three\n") {
		t.Errorf("%s, error %v", logged, err)
	}
	// By dispatching, and without a function any more.
	lines = nil
	start(t, ct, shell("echo four; exec sleep 1000"))
	for len(lines) == 0 {
		if err := ct.session.Dispatch(-1); err != nil {
			t.Fatal(err)
		}
	}
	if lines[0].Text != "four" {
		t.Errorf("%v", lines)
	}
	if err := ct.OnLine(nil); err != nil {
		t.Fatal(err)
	}
	if err := ct.Kill(); err != nil {
		t.Fatal(err)
	}
	wait(t, ct)
}
