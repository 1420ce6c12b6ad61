/* SPDX-License-Identifier: Apache-2.0 */
/* SPDX-FileCopyrightText: The libct authors */

/*
 * A small container manager that knows only the first libct's interface: it is also compiled as its users compile.
 *
 * manager [option]... ROOT PROGRAM [ARGUMENT]...
 *   -n NAME          of the container
 *   -p DIRECTORY     private area
 *   -b SOURCE:TARGET bind, read-only with :ro
 *   -m BYTES         memory limit
 *   -u NUMBER        user and group
 *   -h NAME          host name
 *   -v HOST:INSIDE:ADDRESS  pair of links
 *   -e PROGRAM       runs it inside as well, once the container is up, and then kills the container
 * Its status is that of the program.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libct-log-levels.h>
#include <libct.h>

static void die(const char *what, long error)
{
	fprintf(stderr, "manager: %s: error %ld\n", what, error);
	exit(125);
}

static void check(const char *what, int result)
{
	if (result < 0)
		die(what, result);
}

static void *check_handle(const char *what, void *handle)
{
	if (handle == NULL || libct_handle_is_err(handle))
		die(what, libct_handle_to_err(handle));
	return handle;
}

static char *cut(char *text)
{
	char *colon = strchr(text, ':');

	if (colon == NULL)
		die("an argument lacks a colon", 0);
	*colon = '\0';
	return colon + 1;
}

static void add_bind(ct_handler_t ct, char *text)
{
	char *target = cut(text);
	char *mode = strchr(target, ':');
	int flags = CT_FS_PRIVATE;

	if (mode != NULL && strcmp(mode, ":ro") == 0) {
		*mode = '\0';
		flags |= CT_FS_RDONLY;
	}
	check("bind", libct_fs_add_bind_mount(ct, text, target, flags));
}

static void limit_memory(ct_handler_t ct, char *bytes)
{
	check("memory controller", libct_controller_add(ct, CTL_MEMORY));
	check("memory limit", libct_controller_configure(ct, CTL_MEMORY, "memory.limit_in_bytes", bytes));
}

static void add_pair(ct_handler_t ct, char *text)
{
	struct ct_net_veth_arg arg;
	char *address;
	ct_net_t net;
	ct_net_route_t route;

	arg.host_name = text;
	arg.ct_name = cut(text);
	address = cut(arg.ct_name);
	net = check_handle("pair", libct_net_add(ct, CT_NET_VETH, &arg));
	check("address", libct_net_dev_add_ip_addr(net, address));
	route = check_handle("route", libct_net_route_add(ct));
	check("route", libct_net_route_set_dst(route, "0.0.0.0/0"));
	check("route", libct_net_route_set_dev(route, arg.ct_name));
}

static int status_of(ct_process_t process)
{
	int status = 0;

	check("wait", libct_process_wait(process, &status));
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	return 128 + WTERMSIG(status);
}

static void enter_and_kill(ct_handler_t ct, ct_process_desc_t desc, char *program)
{
	char *argv[] = {program, NULL};
	ct_process_t entered = check_handle("enter", libct_container_enter_execv(ct, desc, program, argv));

	printf("entered: %d\n", status_of(entered));
	libct_process_destroy(entered);
	check("kill", libct_container_kill(ct));
}

int main(int argc, char **argv)
{
	unsigned long mask = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET;
	char *names[] = {"manager"}, *entering = NULL;
	ct_process_desc_t desc;
	libct_session_t session;
	ct_handler_t ct;
	ct_process_t init;
	int option, status;

	/* The name is needed first. */
	if (argc > 2 && strcmp(argv[1], "-n") == 0) {
		names[0] = argv[2];
		optind = 3;
	}
	libct_log_init(STDERR_FILENO, LOG_ERROR);
	session = check_handle("session", libct_session_open("local"));
	ct = check_handle("container", libct_container_create(session, names[0]));
	desc = check_handle("descriptor", libct_process_desc_create(session));
	check("namespaces", libct_container_set_nsmask(ct, mask));
	check("proc", libct_container_set_option(ct, LIBCT_OPT_AUTO_PROC_MOUNT, NULL));
	while ((option = getopt(argc, argv, "+p:b:m:u:h:v:e:")) != -1) {
		switch (option) {
		case 'p':
			check("private area", libct_fs_set_private(ct, CT_FS_SUBDIR, optarg));
			break;
		case 'b':
			add_bind(ct, optarg);
			break;
		case 'm':
			limit_memory(ct, optarg);
			break;
		case 'u':
			check("user", libct_process_desc_setuid(desc, (unsigned int)atoi(optarg)));
			check("group", libct_process_desc_setgid(desc, (unsigned int)atoi(optarg)));
			break;
		case 'h':
			check("host name", libct_container_uname(ct, optarg, NULL));
			break;
		case 'v':
			add_pair(ct, optarg);
			break;
		case 'e':
			entering = optarg;
			break;
		default:
			return 2;
		}
	}
	if (argc - optind < 2)
		return 2;
	check("root", libct_fs_set_root(ct, argv[optind]));
	init = check_handle("start", libct_container_spawn_execv(ct, desc, argv[optind + 1], argv + optind + 1));
	if (libct_container_state(ct) != CT_RUNNING)
		die("state", libct_container_state(ct));
	if (entering != NULL)
		enter_and_kill(ct, desc, entering);
	status = status_of(init);
	check("end", libct_container_wait(ct));
	libct_container_destroy(ct);
	libct_process_desc_destroy(desc);
	libct_session_close(session);
	return status;
}
