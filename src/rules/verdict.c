/*
 * verdict.c
 *		What becomes of a non-owner's write.  Pure: no state, no catalogs.
 */
#include "postgres.h"

#include "../base/base.h"
#include "rules.h"

/* A field without a policy, in a domain without one, has the default. */
Policy
policy_effective(Policy policy, Policy standard)
{
	return policy == POLICY_UNSET ? standard : policy;
}

/* The owner's value stays, where it can. */
static Verdict
keep(const Circumstances *c, bool key)
{
	/*
	 * TRUNCATE has no rows to keep.  A row that a foreign-key action may not
	 * touch would be left an orphan.
	 */
	if (c->operation == OPERATION_TRUNCATE || c->cascade)
		return VERDICT_REJECT;
	if (c->operation == OPERATION_DELETE || (c->operation == OPERATION_INSERT && key))
		return VERDICT_DISCARD;
	return VERDICT_KEEP;
}

/*
 * The verdict on a write of a column by a writer that is not its owner.
 *
 * stored_null: the column holds no value yet (UPDATE).  *softened is set when
 * a rejection acts as keep, because an error would stop a replicated stream.
 */
Verdict
verdict_for(const Circumstances *c, Policy policy, bool key, bool stored_null, bool *softened)
{
	*softened = false;

	if (c->enforcement == ENFORCEMENT_OFF)
		return VERDICT_ALLOW;
	if (c->steward)
		return VERDICT_OVERRIDE;
	if (c->enforcement == ENFORCEMENT_OBSERVE)
		return VERDICT_OBSERVE;

	switch (policy_effective(policy, c->default_policy))
	{
		case POLICY_OBSERVE:
			return VERDICT_OBSERVE;

		case POLICY_FILL:
			/* on a key: anyone may create, only the owner renames or deletes */
			if (c->operation == OPERATION_INSERT)
				return VERDICT_FILL;
			if (c->operation == OPERATION_UPDATE && stored_null)
				return VERDICT_FILL;
			return keep(c, key);

		case POLICY_KEEP:
			return keep(c, key);

		case POLICY_REJECT:
		case POLICY_UNSET:
			break;
	}

	if (c->applies && !c->strict && c->operation != OPERATION_TRUNCATE)
	{
		*softened = true;
		return keep(c, key);
	}
	return VERDICT_REJECT;
}

const char *
operation_name(Operation operation)
{
	switch (operation)
	{
		case OPERATION_INSERT:
			return "INSERT";
		case OPERATION_UPDATE:
			return "UPDATE";
		case OPERATION_DELETE:
			return "DELETE";
		case OPERATION_TRUNCATE:
			return "TRUNCATE";
	}
	pg_unreachable();
}

/* The word for a verdict, as evidence and explain() have it. */
const char *
verdict_name(Verdict outcome)
{
	switch (outcome)
	{
		case VERDICT_ALLOW:
			return "allowed";
		case VERDICT_OBSERVE:
			return "observed";
		case VERDICT_FILL:
			return "filled";
		case VERDICT_OVERRIDE:
			return "overridden";
		case VERDICT_KEEP:
			return "kept";
		case VERDICT_DISCARD:
			return "discarded";
		case VERDICT_REJECT:
			return "rejected";
	}
	pg_unreachable();
}
