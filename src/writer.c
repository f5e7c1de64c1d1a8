/*
 * writer.c
 *		Who is writing.
 *
 * The first that applies: the replication origin, the setting
 * ownership.system, the role that SET ROLE left at the outer level.  An
 * origin that maps to nothing is unidentified; it never falls through.
 *
 * The answer is cached for the session.  It is looked up again when the
 * origin, the outer role or the setting changed, or when an invalidation came
 * in for the map (identities are part of it), roles, memberships or
 * subscriptions.  Callbacks only mark.
 */
#include "ownership.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_subscription.h"
#include "commands/trigger.h"
#include "compat.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "replication/logicalworker.h"
#include "replication/origin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

/* identity's columns */
enum
{
	Anum_identity_kind = 1,
	Anum_identity_name,
	Anum_identity_system,
	Anum_identity_strict,
	Anum_identity_steward,
	Anum_identity_carrier
};

/* bound_role's columns */
enum
{
	Anum_bound_role_name = 1,
	Anum_bound_role_oid
};

static Writer cached_writer;
static bool cached_valid = false;
static RepOriginId cached_origin;
static Oid cached_role;
static MemoryContext cached_cxt = NULL;
static uint64 serial = 0;
static uint64 invalidations = 0;

void
writer_invalidate(void)
{
	cached_valid = false;
	invalidations++;
	lift_undo();
}

static void
syscache_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	(void) arg;
	(void) cacheid;
	(void) hashvalue;
	writer_invalidate();
}

void
writer_init(void)
{
	CacheRegisterSyscacheCallback(AUTHOID, syscache_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, syscache_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(SUBSCRIPTIONOID, syscache_callback, (Datum) 0);
}

/* Is there a system of this name? */
bool
system_exists(const char *name)
{
	const char *keys[1] = {name};
	Snapshot snapshot = catalog_snapshot();
	CatalogScan *scan = catalog_begin("system", "system_pkey", 1, keys, snapshot);
	bool found = catalog_next(scan);

	catalog_end(scan);
	catalog_release(snapshot);
	return found;
}

static void
take_identity(Writer *w, CatalogScan *scan)
{
	w->system = catalog_text(scan, Anum_identity_system);
	w->strict = catalog_bool(scan, Anum_identity_strict);
	w->steward = catalog_bool(scan, Anum_identity_steward);
	w->carrier = catalog_bool(scan, Anum_identity_carrier);
}

static bool
find_identity(Writer *w, const char *kind, const char *name, Snapshot snapshot)
{
	const char *keys[2] = {kind, name};
	CatalogScan *scan = catalog_begin("identity", "identity_pkey", 2, keys, snapshot);
	bool found = catalog_next(scan);

	if (found)
		take_identity(w, scan);
	catalog_end(scan);
	return found;
}

/*
 * The subscription of an origin that PostgreSQL's own workers named: apply
 * workers use pg_<subid>, table-sync workers pg_<subid>_<relid>.  NULL for
 * any other name.
 */
static char *
origin_subscription(const char *origin)
{
	Oid subid;
	char *end;

	if (strncmp(origin, "pg_", 3) != 0 || origin[3] < '0' || origin[3] > '9')
		return NULL;
	subid = (Oid) strtoul(origin + 3, &end, 10);
	if (*end == '_')
	{
		if (end[1] < '0' || end[1] > '9')
			return NULL;
		(void) strtoul(end + 1, &end, 10);
	}
	if (*end != '\0')
		return NULL;
	return get_subscription_name(subid, true);
}

static void
resolve_origin(Writer *w, RepOriginId origin, Snapshot snapshot)
{
	char *subscription;

	if (!replorigin_by_oid(origin, true, &w->origin))
	{
		w->origin = psprintf("%u", (unsigned) origin);
		return;
	}
	subscription = origin_subscription(w->origin);
	if (subscription != NULL)
	{
		/* the first copy of a table and what follows come from one writer */
		w->origin[strcspn(w->origin + 3, "_") + 3] = '\0';
		if (find_identity(w, "subscription", subscription, snapshot))
			return;
	}
	(void) find_identity(w, "origin", w->origin, snapshot);
}

/*
 * The role that an identity's name means: the one that bore it when it was
 * identified.  A new role under an old name is nobody until it is identified
 * again; a name that no role had then is taken at its word.
 */
static Oid
identity_role(const char *name, Snapshot snapshot)
{
	const char *keys[1] = {name};
	Oid role = get_role_oid(name, true);
	CatalogScan *scan;

	if (!OidIsValid(role))
		return InvalidOid;
	scan = catalog_begin("bound_role", "bound_role_pkey", 1, keys, snapshot);
	if (catalog_next(scan) && catalog_oid(scan, Anum_bound_role_oid) != role)
		role = InvalidOid;
	catalog_end(scan);
	return role;
}

static bool
same_text(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

/*
 * An exact match, else the one identity among the mapped roles whose
 * privileges this role inherits.  Superusers would "inherit" all of them, so
 * they match exactly only.
 */
static void
resolve_role(Writer *w, Oid role, Snapshot snapshot)
{
	const char *keys[1] = {"role"};
	char *rolename = GetUserNameFromId(role, true);
	CatalogScan *scan;
	Writer found = {0};
	bool any = false;
	bool ambiguous = false;

	if (rolename == NULL)
		return; /* dropped meanwhile: nobody */

	if (identity_role(rolename, snapshot) == role && find_identity(w, "role", rolename, snapshot))
		return;
	if (superuser_arg(role))
		return;

	scan = catalog_begin("identity", "identity_pkey", 1, keys, snapshot);
	while (catalog_next(scan))
	{
		Oid mapped = identity_role(catalog_text(scan, Anum_identity_name), snapshot);
		Writer one = {0};

		if (!OidIsValid(mapped) || mapped == role || !has_privs_of_role(role, mapped))
			continue;
		take_identity(&one, scan);
		if (!any)
			found = one;
		else if (!same_text(found.system, one.system) || found.steward != one.steward ||
				 found.carrier != one.carrier)
			ambiguous = true;
		else
			found.strict |= one.strict;
		any = true;
	}
	catalog_end(scan);

	if (any && !ambiguous)
	{
		w->system = found.system;
		w->strict = found.strict;
		w->steward = found.steward;
		w->carrier = found.carrier;
	}
}

/* The names of all systems, to suggest one. */
List *
system_names(void)
{
	Snapshot snapshot = catalog_snapshot();
	CatalogScan *scan = catalog_begin("system", NULL, 0, NULL, snapshot);
	List *names = NIL;

	while (catalog_next(scan))
		names = lappend(names, catalog_text(scan, 1));
	catalog_end(scan);
	catalog_release(snapshot);
	return names;
}

static void
check_setting(void)
{
	char *nearest;

	if (system_exists(ownership_system))
		return;
	nearest = nearest_name(ownership_system, system_names());
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("system \"%s\", named by the setting \"ownership.system\", does not exist",
					ownership_system),
			 nearest != NULL
				 ? errhint("Perhaps you meant system \"%s\".", nearest)
				 : errhint(
					   "Register it with ownership.add_system(), or set \"ownership.system\" to a system of ownership.system.")));
}

/* Is the running process one that applies a replicated stream? */
static bool
in_replication_worker(RepOriginId origin)
{
	return IsLogicalWorker() || (MyBgworkerEntry != NULL && origin != InvalidRepOriginId);
}

/*
 * Does the writer apply a replicated stream?  A worker does, and a session that
 * says so by its origin and its replication role: the initial copy of
 * pglogical is one, which takes no notice of errors.
 */
bool
writer_applies(const Writer *writer)
{
	return writer->worker ||
		   (writer->origin != NULL && SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA);
}

static void
resolve(RepOriginId origin, Oid role)
{
	bool setting = ownership_system != NULL && ownership_system[0] != '\0';

	for (int load = 1;; load++)
	{
		MemoryContext cxt =
			AllocSetContextCreate(CurrentMemoryContext, "ownership writer", ALLOCSET_SMALL_SIZES);
		MemoryContext old = MemoryContextSwitchTo(cxt);
		uint64 seen = invalidations;
		Snapshot snapshot;
		Writer w = {0};

		catalog_watch();
		snapshot = catalog_snapshot();
		w.role = role;
		w.worker = in_replication_worker(origin);
		if (origin != InvalidRepOriginId)
		{
			resolve_origin(&w, origin, snapshot);
			if (w.carrier && setting)
			{
				check_setting();
				w.carried = pstrdup(ownership_system);
			}
		}
		else if (setting)
		{
			check_setting();
			w.system = pstrdup(ownership_system);
		}
		else
			resolve_role(&w, role, snapshot);
		if (w.carrier)
			w.system = w.carried;
		catalog_release(snapshot);
		MemoryContextSwitchTo(old);

		/* see LOADS */
		if (seen != invalidations && load < LOADS)
		{
			MemoryContextDelete(cxt);
			CHECK_FOR_INTERRUPTS();
			continue;
		}

		/* a caller up the stack may still hold strings of the old answer */
		if (cached_cxt != NULL)
			MemoryContextSetParent(cached_cxt, TopTransactionContext);
		MemoryContextSetParent(cxt, CacheMemoryContext);
		cached_cxt = cxt;
		w.serial = ++serial;
		cached_writer = w;
		cached_origin = origin;
		cached_role = role;
		cached_valid = seen == invalidations;
		return;
	}
}

/* Is the writer of this origin and role in the cache? */
static bool
is_known(RepOriginId origin, Oid role)
{
	return likely(cached_valid && origin == cached_origin && role == cached_role);
}

static RepOriginId
session_origin(void)
{
	return replorigin_session_origin == DoNotReplicateId ? InvalidRepOriginId
														 : replorigin_session_origin;
}

/* The same as current_writer() if it need not be looked up, else NULL. */
const Writer *
known_writer(void)
{
	return is_known(session_origin(), GetOuterUserId()) ? &cached_writer : NULL;
}

/*
 * Who this session writes as, now.  The result stays readable until the
 * transaction ends, but may be another at the next call.
 *
 * Errors: ownership.system names no system.
 */
const Writer *
current_writer(void)
{
	RepOriginId origin = session_origin();
	Oid role = GetOuterUserId();

	if (!is_known(origin, role))
		resolve(origin, role);
	return &cached_writer;
}

/*
 * The same for those who only count: false where finding out would wait for a
 * lock.  A setting that names no system is NULL, and no error.
 */
bool
free_writer(const Writer **writer)
{
	static const char *const read[] = {"identity",	  "identity_pkey", "system",
									   "system_pkey", "bound_role",	   "bound_role_pkey"};

	*writer = known_writer();
	if (*writer != NULL)
		return true;
	if (!catalog_try_lock(read, lengthof(read)))
		return false;
	if (ownership_system == NULL || ownership_system[0] == '\0' || system_exists(ownership_system))
		*writer = current_writer();
	catalog_unlock(read, lengthof(read));
	return true;
}

/*
 * The system a writer is on a table: a carrier writes as the table's source,
 * and on a shared table as what ownership.system says, or as nobody.
 */
const char *
writer_system(const Writer *writer, const char *source)
{
	if (writer->carrier && source != NULL)
		return source;
	return writer->system;
}

/* How messages name the writer. */
char *
writer_label(const Writer *writer, const char *system)
{
	if (system != NULL)
		return psprintf(_("system \"%s\""), system);
	if (writer->origin != NULL)
		return psprintf(_("unidentified replication origin \"%s\""), writer->origin);
	return psprintf(_("unidentified role \"%s\""), GetUserNameFromId(writer->role, true));
}
