/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One rule more among 100,000 in 20,000 chains: the rest is not sent again. */
#include "place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MESSAGES_MOST 10

static char folder[] = "/tmp/fwsnap-large.XXXXXX";

static int make_rulesets(void **state)
{
	cleanup_free char *command = NULL;

	(void)state;
	if (!mkdtemp(folder))
		return -1;
	command = str_printf("tests/bench/generate %s", folder);
	free(place_shell(command));
	return 0;
}

static int remove_rulesets(void **state)
{
	cleanup_free char *command = str_printf("rm -r %s", folder);

	(void)state;
	free(place_shell(command));
	return 0;
}

/* Both as captured, each in a place of its own; the first one is live. */
static void one_rule_more(const char *program, const char *suffix)
{
	struct ruleset more = {0}, live = {0};
	struct change c = {.live = &live, .target = &more, .lock_wait = PLACE_WAIT};
	cleanup_free char *with = str_printf("%s %s/w3-new.%s", program, folder, suffix);
	cleanup_free char *without = str_printf("%s %s/w3.%s", program, folder, suffix);

	free(place_shell(with));
	place_capture(&more);
	place_move(false);
	free(place_shell(without));
	place_capture(&live);
	assert_int_equal(change_run(&c), CHANGE_DONE);
	print_message("%u batches, %u messages\n", c.batches, c.messages);
	assert_in_range(c.messages, 1, MESSAGES_MOST);
	assert_false(c.held);
	assert_int_equal(c.unstaged.n, 0);
	change_release(&c);
	ruleset_release(&live);
	ruleset_release(&more);
}

static void one_rule_more_for_nft_takes_few_messages(void **state)
{
	(void)state;
	one_rule_more("nft -f", "nft");
}

static void one_rule_more_for_iptables_takes_few_messages(void **state)
{
	(void)state;
	one_rule_more("iptables-nft-restore", "v4");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_rule_more_for_nft_takes_few_messages, place_setup,
						place_teardown),
		cmocka_unit_test_setup_teardown(one_rule_more_for_iptables_takes_few_messages,
						place_setup, place_teardown),
	};

	return cmocka_run_group_tests(tests, make_rulesets, remove_rulesets);
}
