/*
 * writer.c
 *		The writer: the system that a write comes from.
 *
 * The first of these decides: the replication origin, the setting
 * ownership.system, the role that SET ROLE left at the outer level.  If the session
 * has an origin that no identity names, the writer is unidentified; setting and
 * role are not looked at.
 *
 * The answer is cached for the session.  It is looked up again when the origin,
 * the outer role or the setting has changed, or after an invalidation of the map
 * (identities are part of it), of roles, memberships or subscriptions.  Callbacks
 * only mark.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_auth_members.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_subscription.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "replication/logicalworker.h"
#include "replication/origin.h"
#include "utils/acl.h"
#include "utils/catcache.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapshot.h"
#include "utils/syscache.h"

#include "../base/base.h"
#include "../catalog/catalog.h"
#include "rules.h"

static Writer cached_writer;
static bool cached_valid = false;
static RepOriginId cached_origin; /* this and the next two: the key of cached_writer */
static Oid cached_role;
static char *cached_setting = NULL;
static HTAB *interned = NULL; /* of char *: see intern() */
static uint64 serial = 0;	  /* of the last writer that was looked up */
static uint64 invalidations = 0;

/* Roles, memberships, subscriptions or identities may have changed. */
void
writer_forget(void)
{
	cached_valid = false;
	invalidations++;
}

static void
take_identity(Writer *w, CatalogScan *scan)
{
	w->system = catalog_text(scan, Anum_identity_system);
	w->strict = catalog_bool(scan, Anum_identity_strict);
	w->steward = catalog_bool(scan, Anum_identity_steward);
	w->carrier = catalog_bool(scan, Anum_identity_carrier);
	w->relay = catalog_bool(scan, Anum_identity_relay);
}

/* Takes what the identity of this kind and name says; false: there is none. */
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
 * The name of the subscription of an origin that one of PostgreSQL's own workers
 * named: apply workers use pg_<subid>, table-sync workers pg_<subid>_<relid>.  NULL
 * for any other name, and for a subscription that does not exist.
 */
char *
writer_origin_subscription(const char *origin)
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

/* Sets what an origin means: w->origin is its name, or its number if it is not there. */
void
writer_resolve_origin(Writer *w, RepOriginId origin, Snapshot snapshot)
{
	char *subscription;

	if (!replorigin_by_oid(origin, true, &w->origin))
	{
		w->origin = psprintf("%u", (unsigned) origin);
		return;
	}
	subscription = writer_origin_subscription(w->origin);
	if (subscription != NULL)
	{
		/* the first copy of a table and the changes after it are of one writer: pg_<subid> */
		w->origin[strcspn(w->origin + 3, "_") + 3] = '\0';
		if (find_identity(w, "subscription", subscription, snapshot))
			return;
		/* Citus copies its own rows to another node, where they were judged */
		w->relay = shard_is_transfer(subscription);
	}
	(void) find_identity(w, "origin", w->origin, snapshot);
}

/*
 * Does the identity of a role's name mean that role?  It means the role that had the name
 * when it was identified; a new role of the same name is not meant until it is identified
 * again.  If no role had the name then, any role of that name is meant.
 */
static bool
identity_means(const char *name, Oid role, Snapshot snapshot)
{
	const char *keys[1] = {name};
	CatalogScan *scan = catalog_begin("bound_role", "bound_role_pkey", 1, keys, snapshot);
	bool means = !catalog_next(scan) || catalog_oid(scan, Anum_bound_role_role) == role;

	catalog_end(scan);
	return means;
}

/* Takes what the identity of the role says; false: there is none. */
static bool
find_role_identity(Writer *w, Oid role, const char *name, Snapshot snapshot)
{
	Writer found = *w;

	/* most roles that are looked for have none: bound_role is not even opened */
	if (!find_identity(&found, "role", name, snapshot) || !identity_means(name, role, snapshot))
		return false;
	*w = found;
	return true;
}

static bool
same_text(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

/*
 * The roles that a role is a member of, directly or through others, and itself.
 * There are few of them, however many roles and identities there are.
 */
static List *
roles_above(Oid role)
{
	/* the owner of the database is its member, which pg_auth_members does not contain */
	List *roles = list_make2_oid(role, ROLE_PG_DATABASE_OWNER);
	ListCell *lc;

	foreach(lc, roles)
	{
		CatCList *members = SearchSysCacheList1(AUTHMEMMEMROLE, ObjectIdGetDatum(lfirst_oid(lc)));

		for (int i = 0; i < members->n_members; i++)
			roles = list_append_unique_oid(roles, ((Form_pg_auth_members) GETSTRUCT(
													   &members->members[i]->tuple))
													  ->roleid);
		ReleaseSysCacheList(members);
	}
	return roles;
}

/*
 * The identity of the role itself, else of the one mapped role whose privileges it
 * inherits.  If several such roles have different identities, the writer is
 * unidentified.  A superuser has the privileges of all roles, so only its own
 * identity counts.
 */
static void
resolve_role(Writer *w, Oid role, Snapshot snapshot)
{
	char *rolename = GetUserNameFromId(role, true);
	ListCell *lc;
	Writer found = {0};
	bool any = false;
	bool ambiguous = false;

	if (rolename == NULL)
		return; /* the role was dropped while the session uses it: unidentified */

	if (find_role_identity(w, role, rolename, snapshot))
		return;
	if (superuser_arg(role))
		return;

	foreach(lc, roles_above(role))
	{
		Oid mapped = lfirst_oid(lc);
		char *name = GetUserNameFromId(mapped, true);
		Writer one = {0};

		if (name == NULL || mapped == role || !has_privs_of_role(role, mapped) ||
			!find_role_identity(&one, mapped, name, snapshot))
			continue;
		if (!any)
			found = one;
		else if (!same_text(found.system, one.system) || found.steward != one.steward ||
				 found.carrier != one.carrier)
			ambiguous = true;
		else
			found.strict |= one.strict;
		any = true;
	}

	if (any && !ambiguous)
	{
		w->system = found.system;
		w->strict = found.strict;
		w->steward = found.steward;
		w->carrier = found.carrier;
	}
}

/* Errors: there is no system of this name. */
static void
check_setting(const char *name)
{
	char *nearest;

	if (lookup_system_exists(name))
		return;
	nearest = names_nearest(name, lookup_system_names());
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("system \"%s\", named by the setting \"ownership.system\", does not exist", name),
			 nearest != NULL
				 ? errhint("Perhaps you meant system \"%s\".", nearest)
				 : errhint(
					   "Register it with ownership.add_system(), or set \"ownership.system\" to a system of ownership.system.")));
}

/* Does this process apply a replicated stream, in PostgreSQL's or another background worker? */
static bool
in_replication_worker(RepOriginId origin)
{
	return IsLogicalWorker() || (MyBgworkerEntry != NULL && origin != InvalidRepOriginId);
}

static uint32
hash_name(const void *key, Size keysize)
{
	const char *name = *(const char *const *) key;

	return DatumGetUInt32(hash_any((const unsigned char *) name, strlen(name)));
}

static int
compare_names(const void *a, const void *b, Size keysize)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/*
 * A copy of the text that is never freed, one for each text: a caller up the stack
 * may still use an older answer, however many times the answer has changed since.
 * There are no more of them than names of systems and origins.
 */
static char *
intern(const char *name)
{
	char **entry;
	bool found;

	if (name == NULL)
		return NULL;
	if (interned == NULL)
	{
		HASHCTL ctl = {0};

		ctl.keysize = ctl.entrysize = sizeof(char *);
		ctl.hash = hash_name;
		ctl.match = compare_names;
		ctl.hcxt = CacheMemoryContext;
		interned = hash_create("ownership writers", 16, &ctl,
							   HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
	}
	entry = hash_search(interned, &name, HASH_FIND, NULL);
	if (entry == NULL)
	{
		char *copy = MemoryContextStrdup(CacheMemoryContext, name);

		entry = hash_search(interned, &copy, HASH_ENTER, &found);
	}
	return *entry;
}

/*
 * Looks the writer up and caches it.
 *
 * Errors: the setting ownership.system names a system that does not exist.
 */
static void
resolve(const WriterKey *key)
{
	bool setting = key->system[0] != '\0';
	char *setting_was;

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
		w.role = key->role;
		w.worker = in_replication_worker(key->origin);
		if (key->origin != InvalidRepOriginId)
		{
			writer_resolve_origin(&w, key->origin, snapshot);
			if (w.carrier && setting)
			{
				check_setting(key->system);
				w.carried = pstrdup(key->system);
			}
		}
		else if (setting)
		{
			check_setting(key->system);
			w.system = pstrdup(key->system);
		}
		else
			resolve_role(&w, key->role, snapshot);
		if (w.carrier)
			w.system = w.carried;
		catalog_release(snapshot);
		MemoryContextSwitchTo(old);

		/* an invalidation came during the look-up: again, but at most LOADS times */
		if (seen != invalidations && load < LOADS)
		{
			MemoryContextDelete(cxt);
			CHECK_FOR_INTERRUPTS();
			continue;
		}

		w.system = intern(w.system);
		w.carried = intern(w.carried);
		w.origin = intern(w.origin);
		MemoryContextDelete(cxt);
		w.serial = ++serial;
		cached_writer = w;
		cached_origin = key->origin;
		cached_role = key->role;
		setting_was = cached_setting;
		cached_setting = MemoryContextStrdup(CacheMemoryContext, key->system);
		if (setting_was != NULL)
			pfree(setting_was);
		cached_valid = seen == invalidations;
		return;
	}
}

/* What the writer is determined from now.  The setting's text is not copied. */
WriterKey
writer_key(void)
{
	WriterKey key;

	key.origin = replorigin_session_origin == DoNotReplicateId ? InvalidRepOriginId
															   : replorigin_session_origin;
	key.role = GetOuterUserId();
	key.system = ownership_system == NULL ? "" : ownership_system;
	return key;
}

/* Does this process apply a replicated stream, whatever the writer is? */
bool
writer_is_worker(void)
{
	return in_replication_worker(writer_key().origin);
}

/* The writer of a key from the cache; NULL if it must be looked up. */
const Writer *
writer_known(const WriterKey *key)
{
	if (likely(cached_valid && key->origin == cached_origin && key->role == cached_role &&
			   (key->system[0] == '\0' ? cached_setting[0] == '\0'
									   : strcmp(key->system, cached_setting) == 0)))
		return &cached_writer;
	return NULL;
}

/* Is the writer of this session now the one with that serial? */
bool
writer_is_still(uint64 of)
{
	WriterKey key = writer_key();
	const Writer *writer = writer_known(&key);

	return writer != NULL && writer->serial == of;
}

/*
 * The writer of a key.  The result is overwritten when another writer is looked up.
 *
 * Errors: the setting ownership.system names a system that does not exist.
 */
const Writer *
writer_of(const WriterKey *key)
{
	if (writer_known(key) == NULL)
		resolve(key);
	return &cached_writer;
}

/* The writer of this session now.  Errors: as writer_of(). */
const Writer *
writer_current(void)
{
	WriterKey key = writer_key();

	return writer_of(&key);
}

/*
 * The writer of a key, for callers that only count reads and writes.  False if the
 * look-up would wait for a lock.  *writer is NULL, without an error, if the setting
 * ownership.system names a system that does not exist.
 */
bool
writer_try(const WriterKey *key, const Writer **writer)
{
	static const char *const read[] = {"identity",		  "identity_pkey", "bound_role",
									   "bound_role_pkey", "system",		   "system_pkey"};
	bool setting = key->system[0] != '\0';
	int n = setting ? lengthof(read) : lengthof(read) - 2; /* the last two: of the setting */

	*writer = writer_known(key);
	if (*writer != NULL)
		return true;
	if (!catalog_try_lock(read, n))
		return false;
	if (!setting || lookup_system_exists(key->system))
		*writer = writer_of(key);
	catalog_unlock(read, n);
	return true;
}

/*
 * The system as which a writer writes to a table with this source.  A carrier
 * writes as the source; on a shared table (NULL) it writes as the system that
 * ownership.system names.  NULL: unidentified.
 */
const char *
writer_system(const Writer *writer, const char *source)
{
	if (writer->carrier && source != NULL)
		return source;
	return writer->system;
}

/* The writer's name in messages; `system` is writer_system() for the table. */
char *
writer_label(const Writer *writer, const char *system)
{
	if (system != NULL)
		return psprintf("system \"%s\"", system);
	if (writer->origin != NULL)
		return psprintf("unidentified replication origin \"%s\"", writer->origin);
	return psprintf("unidentified role \"%s\"", GetUserNameFromId(writer->role, true));
}
