/*
 * verdict.c
 *		The verdict on a write by a system that is not the owner.  It depends on its
 *		arguments only: on no state and no catalogs.
 */
#include "postgres.h"

#include "../base/base.h"
#include "rules.h"

/* The policy that applies; `standard` if neither the field nor its domain has one. */
Policy
policy_effective(Policy policy, Policy standard)
{
	return policy == POLICY_UNSET ? standard : policy;
}

/* The verdict of the policy keep: the owner's value stays, where this is possible. */
static Verdict
keep(const Circumstances *c, bool key)
{
	/*
	 * Of a TRUNCATE no single row can be kept.  A child row that a foreign-key
	 * action may not change would become an orphan.
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
 * key: the column's field is marked key.  stored_blank: the stored value is blank
 * (UPDATE).  *softened: reject acts as keep, because an error would stop a
 * replicated stream.
 */
Verdict
verdict_for(const Circumstances *c, Policy policy, bool key, bool stored_blank, bool *softened)
{
	*softened = false;

	if (c->enforcement == ENFORCEMENT_OFF || c->relay)
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
			/* on a key: any writer may create rows, only the owner renames or deletes them */
			if (c->operation == OPERATION_INSERT)
				return VERDICT_FILL;
			if (c->operation == OPERATION_UPDATE && stored_blank)
				return VERDICT_FILL;
			return keep(c, key);

		case POLICY_CREATE_ONLY:
			/* on a key: any writer may create rows, only the owner renames or deletes them */
			if (c->operation == OPERATION_INSERT)
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

/*
 * The verdict on an UPDATE that changes a value to a blank one, by any writer, the
 * owner included.  *softened: as in verdict_for().
 */
Verdict
verdict_for_blank(const Circumstances *c, OnBlank on_blank, bool *softened)
{
	*softened = false;

	if (c->enforcement == ENFORCEMENT_OFF || c->relay || on_blank == ON_BLANK_ALLOW)
		return VERDICT_ALLOW;
	if (c->steward)
		return VERDICT_OVERRIDE;
	if (c->enforcement == ENFORCEMENT_OBSERVE || on_blank == ON_BLANK_OBSERVE)
		return VERDICT_OBSERVE;
	if (on_blank == ON_BLANK_KEEP)
		return keep(c, false);
	if (c->applies && !c->strict)
	{
		*softened = true;
		return keep(c, false);
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

/* The outcome that evidence and explain() report for a verdict. */
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
