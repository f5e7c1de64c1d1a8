/*
 * suggest.c
 *		Proposals from the guide: which domain a column is of, and which system
 *		should own it.
 *
 * Evidence comes from names, comments, keys and traffic.  A proposal is sure
 * only where two pieces of evidence agree and none speaks against it; where
 * nothing is left but a guess, the answer is "unknown".  What a person decided
 * about a field is on the map and is not looked at.
 */
#include "ownership.h"

#include "catalog/pg_collation.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "regex/regex.h"
#include "utils/builtins.h"
#include "utils/formatting.h"

PG_FUNCTION_INFO_V1(ownership_suggest);
PG_FUNCTION_INFO_V1(ownership_adopt);

/*
 * Products whose name in a column's name marks a copy of that product's
 * value, or its key there, beside the systems that are registered.
 */
static const char foreign_product[] =
	"akeneo|amazon|dynamics|ebay|facebook|google|hubspot|klaviyo|magento|mailchimp|marketo|netsuite|"
	"odoo|paypal|quickbooks|sage|salesforce|sap|sfdc|shopify|stripe|woocommerce|xero|zendesk";

/* What may stand for many words in the guide's patterns. */
static const struct
{
	const char *name;
	const char *pattern;
} placeholders[] = {
	/* tables of products; but lines of a document name products, too */
	{"{product}",
	 "(?:(?<!(?:subscriptions?|returns?|wish_?lists?|invoices?|bills?|receipts?|transfers?|requests?|"
	 "bundles?|lists?)_)(?:products?|variants?|skus?)|(?<!_)(?:items?|parts?))"},
	/* tables of customers */
	{"{customer}",
	 "(?:customers?|clients?|contacts?|persons?|people|leads?|(?<!(?:mail|bank|payment)_)accounts?|"
	 "address(?:es)?(?!_format)|compan(?:y|ies))"},
	/* tables of orders; but not every order is a sale */
	{"{order}",
	 "(?:(?<!(?:purch|purchas(?:e|ing)|supplier|vendor|work|production|manufacturing|transfer|repair|"
	 "service)_)(?:orders?|carts?(?!_rules?)|baskets?|checkouts?|quotes?|quotations?|line_?items?)"
	 "(?![^.]*(?:invoice|payment|refund)))"},
	/* columns of documents, whatever the document */
	{"{document}",
	 "(?:[^.]*_)?(?:no|num(?:ber)?|totals?|amount|value|rate|date|status|state|type|notes?|"
	 "ref(?:erence)?|name|code|title|reason|method|instructions?)"},
	/* what documents copy from products and customers: it is the document's */
	{"{copies}",
	 "[^.]*(?:price|quantity|qty|tax|discount|currency|weight|name|address|street|suburb|city|region|"
	 "zip|post_?code|country|company|phone|e?mail)[^.]*"},
	/* the rest of a table's name */
	{"{part}", "(?:_[^.]*)?"},
};

#define TECHNICAL "technical"
#define KEY "key"

typedef struct Domain
{
	int index;
	char *name;
	List *kinds; /* natural owners, the preferred first */
	text *column_words;
	text *column_qualified; /* the same pattern, for table.column */
	text *table_words;
	text *table_qualified;
} Domain;

typedef struct System
{
	char *name;
	char *kind;
	char *word; /* the name, as a word of a column's name would be */
} System;

/* A table's name, and in which domains' tables it is. */
typedef struct TableName
{
	char *normal;
	Bitmapset *expects; /* what a column's name says of these can be believed */
	int whole;			/* all of it is of this one, or -1 */
} TableName;

/* A column, what speaks for which domain (by index; -1: nothing), and the verdict. */
typedef struct Suggestion
{
	char *schema;
	char *table;
	char *column;
	Oid relid;
	bool primary;
	char *comment;
	char *references; /* a foreign key's target */
	char *writers;	  /* seen */
	char *only_writer;
	char *source; /* whose private copy the table is */
	char *entity; /* on the map: the field that it holds */
	char *field;

	char *normal;
	TableName *table_name;
	int by_name;
	int by_both; /* column and table together */
	Bitmapset *by_comment;

	Domain *domain; /* NULL: unknown */
	const char *kind;
	const char *system;
	bool sure;
	bool contradicted; /* evidence speaks for different domains */
	StringInfoData reason;
} Suggestion;

/* names and patterns */

static bool
is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool
is_word(char c)
{
	return IS_HIGHBIT_SET(c) || is_upper(c) || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* listPrice, "List Price" and LIST-PRICE are list_price. */
static char *
normal_name(const char *name)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (const char *c = name; *c != '\0'; c++)
	{
		/* a capital begins a word after a small one, or before one: listPrice, SKUCode */
		if (c > name && is_upper(c[0]) && is_word(c[-1]) &&
			(!is_upper(c[-1]) || (c[1] >= 'a' && c[1] <= 'z')))
			appendStringInfoChar(&buf, '_');
		appendStringInfoChar(&buf, is_word(*c) ? *c : '_');
	}
	return str_tolower(buf.data, buf.len, DEFAULT_COLLATION_OID);
}

/* A pattern, with its placeholders replaced, within another. */
static text *
expand(const char *frame, const char *pattern)
{
	Datum expanded = CStringGetTextDatum(pattern);

	for (int i = 0; i < (int) lengthof(placeholders); i++)
		expanded = DirectFunctionCall3Coll(replace_text, C_COLLATION_OID, expanded,
										   CStringGetTextDatum(placeholders[i].name),
										   CStringGetTextDatum(placeholders[i].pattern));
	return DatumGetTextPP(DirectFunctionCall3Coll(replace_text, C_COLLATION_OID,
												  CStringGetTextDatum(frame),
												  CStringGetTextDatum("%"), expanded));
}

/* A domain's pattern stands for whole words. */
static text *
whole_words(const char *pattern)
{
	return expand("(?:^|_)(?:%)(?:_|$)", pattern);
}

/*
 * The same for table.column, from within the table's name to the end: what
 * names no dot does not hit.
 */
static text *
qualified(const char *pattern)
{
	return expand("^(?:[^.]*_)?(?:%)(?:_[^.]*)?$", pattern);
}

static bool
hits(text *pattern, const char *name)
{
	return RE_compile_and_execute(pattern, unconstify(char *, name), strlen(name), REG_ADVANCED,
								  DEFAULT_COLLATION_OID, 0, NULL);
}

/*
 * Does a domain's pattern hit the name?
 *
 * Errors: it is no regular expression.
 */
bool
pattern_hits(const char *pattern, const char *name)
{
	return hits(whole_words(pattern), name);
}

/* what there is */

static List *
read_domains(void)
{
	Parameters p = {0};
	uint64 n =
		run_sql("SELECT name, array_remove(natural_owner, NULL), column_pattern, table_pattern "
				"FROM ownership.domain ORDER BY position NULLS FIRST, name COLLATE \"C\"",
				&p);
	List *domains = NIL;

	for (uint64 i = 0; i < n; i++)
	{
		Domain *d = palloc0(sizeof(Domain));
		char *columns = result_text(i, 3);
		char *tables = result_text(i, 4);

		d->index = i;
		d->name = result_text(i, 1);
		d->kinds = result_texts(i, 2);
		if (columns != NULL)
		{
			d->column_words = whole_words(columns);
			/* most say nothing of tables */
			d->column_qualified = strstr(columns, "\\.") == NULL ? NULL : qualified(columns);
		}
		if (tables != NULL)
		{
			d->table_words = whole_words(tables);
			d->table_qualified = qualified(tables);
		}
		domains = lappend(domains, d);
	}
	return domains;
}

static List *
read_systems(void)
{
	Parameters p = {0};
	uint64 n = run_sql("SELECT name, kind FROM ownership.system ORDER BY name COLLATE \"C\"", &p);
	List *systems = NIL;

	for (uint64 i = 0; i < n; i++)
	{
		System *s = palloc0(sizeof(System));

		s->name = result_text(i, 1);
		s->kind = result_text(i, 2);
		s->word = normal_name(s->name);
		systems = lappend(systems, s);
	}
	return systems;
}

/* The columns that can be on the map, of tables that match. */
static List *
read_columns(const char *pattern)
{
	Parameters p = {0};
	uint64 n;
	List *columns = NIL;

	n = run_sql("SELECT n.nspname, c.relname, a.attname, c.oid::text, "
				"(a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]) IS TRUE)::text, "
				"col_description(c.oid, a.attnum), "
				"(SELECT min(ownership.relation_name(fn.nspname, fc.relname)) FROM pg_constraint k "
				"JOIN pg_class fc ON fc.oid = k.confrelid JOIN pg_namespace fn ON fn.oid = fc.relnamespace "
				"WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.conparentid = 0 AND a.attnum = ANY (k.conkey)), "
				"w.systems, w.only, m.entity, m.field, t.source "
				"FROM " MAPPABLE_COLUMNS "LEFT JOIN ownership.mirrored_column m "
				"ON (m.table_schema, m.table_name, m.column_name) = (n.nspname::text, c.relname::text, a.attname::text) "
				"LEFT JOIN ownership.mirrored_table t "
				"ON (t.table_schema, t.table_name) = (n.nspname::text, c.relname::text) "
				"LEFT JOIN (SELECT table_schema, table_name, column_name, "
				"string_agg(system, ', ' ORDER BY system COLLATE \"C\") AS systems, "
				"CASE count(*) WHEN 1 THEN min(system) END AS only "
				"FROM ownership.activity WHERE writes > 0 AND system IS NOT NULL GROUP BY 1, 2, 3) w "
				"ON (w.table_schema, w.table_name, w.column_name) = (n.nspname::text, c.relname::text, a.attname::text) "
				"ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\", a.attnum",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		Suggestion *s;
		char *schema = result_text(i, 1);
		char *table = result_text(i, 2);

		if (!glob_match_table(pattern, schema, table))
			continue;
		s = palloc0(sizeof(Suggestion));
		s->schema = schema;
		s->table = table;
		s->column = result_text(i, 3);
		s->relid = atooid(result_text(i, 4));
		s->primary = strcmp(result_text(i, 5), "true") == 0;
		s->comment = result_text(i, 6);
		if (s->comment != NULL)
			s->comment = normal_name(s->comment);
		s->references = result_text(i, 7);
		s->writers = result_text(i, 8);
		s->only_writer = result_text(i, 9);
		s->entity = result_text(i, 10);
		s->field = result_text(i, 11);
		s->source = result_text(i, 12);
		s->normal = normal_name(s->column);
		s->by_name = s->by_both = -1;
		columns = lappend(columns, s);
	}
	if (columns == NIL)
		no_table_matches(pattern);
	return columns;
}

/* evidence */

/*
 * What each domain's patterns say.  A domain at a time, because PostgreSQL
 * remembers only so many compiled expressions.
 */
static void
gather(List *domains, List *columns)
{
	ListCell *d;
	ListCell *c;
	Oid last = InvalidOid;
	TableName *table = NULL;

	foreach(c, columns)
	{
		Suggestion *s = lfirst(c);

		if (s->relid != last)
		{
			table = palloc0(sizeof(TableName));
			table->normal = normal_name(s->table);
			table->whole = -1;
			last = s->relid;
		}
		s->table_name = table;
	}
	foreach(d, domains)
	{
		Domain *domain = lfirst(d);
		int i = domain->index;
		bool business = strcmp(domain->name, TECHNICAL) != 0 && strcmp(domain->name, KEY) != 0;

		foreach(c, columns)
		{
			Suggestion *s = lfirst(c);

			if (domain->column_words == NULL)
				break;
			CHECK_FOR_INTERRUPTS();
			if (s->by_name < 0 && hits(domain->column_words, s->normal))
				s->by_name = i;
			if (s->by_both < 0 && domain->column_qualified != NULL &&
				hits(domain->column_qualified, psprintf("%s.%s", s->table_name->normal, s->normal)))
				s->by_both = i;
			if (business && s->comment != NULL && hits(domain->column_words, s->comment))
				s->by_comment = bms_add_member(s->by_comment, i);
		}
		last = InvalidOid;
		foreach(c, columns)
		{
			Suggestion *s = lfirst(c);

			if (domain->table_words == NULL)
				break;
			if (s->relid == last)
				continue;
			last = s->relid;
			if (hits(domain->table_words, s->table_name->normal))
				s->table_name->expects = bms_add_member(s->table_name->expects, i);
			if (s->table_name->whole < 0 &&
				hits(domain->table_qualified, psprintf("%s.", s->table_name->normal)))
				s->table_name->whole = i;
		}
	}
}

/* the verdict */

static void because(Suggestion *s, const char *format, ...) pg_attribute_printf(2, 3);

static void
because(Suggestion *s, const char *format, ...)
{
	va_list args;
	int needed;

	if (s->reason.len > 0)
		appendStringInfoString(&s->reason, "; ");
	for (;;)
	{
		va_start(args, format);
		needed = appendStringInfoVA(&s->reason, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&s->reason, needed);
	}
}

static Domain *
domain_at(List *domains, int index)
{
	return index < 0 ? NULL : list_nth(domains, index);
}

static Domain *
find_domain(List *domains, const char *name)
{
	ListCell *lc;

	foreach(lc, domains)
		if (strcmp(((Domain *) lfirst(lc))->name, name) == 0)
			return lfirst(lc);
	return NULL;
}

/* Is it a whole word of the column's name? */
static bool
has_word(const char *normal, const char *word)
{
	int len = strlen(word);

	for (const char *c = strstr(normal, word); len > 0 && c != NULL; c = strstr(c + 1, word))
		if ((c == normal || c[-1] == '_') && (c[len] == '\0' || c[len] == '_'))
			return true;
	return false;
}

/* The registered system whose name the column's name holds, or NULL. */
static System *
named_system(Suggestion *s, List *systems)
{
	ListCell *lc;

	foreach(lc, systems)
	{
		System *system = lfirst(lc);

		if (has_word(s->normal, system->word))
			return system;
	}
	return NULL;
}

/*
 * Weigh what the names and the comment say: the column's, the table's, and
 * both together.
 */
static void
weigh_names(Suggestion *s, List *domains)
{
	Domain *name = domain_at(domains, s->by_name);
	Domain *both = domain_at(domains, s->by_both);
	Domain *table = domain_at(domains, s->table_name->whole);

	if (name != NULL && strcmp(name->name, TECHNICAL) == 0)
	{
		s->domain = name;
		s->sure = true;
		because(s, _("the column's name is a technical one"));
		return;
	}
	/* a rule about such a column of such a table knows best */
	if (both != NULL || (table != NULL && name == table))
	{
		s->domain = both != NULL ? both : table;
		s->sure = true;
		because(s, _("the names of the column and the table say %s"), s->domain->name);
	}
	else if (table != NULL)
	{
		s->domain = table;
		s->contradicted = name != NULL;
		because(s, _("the table's name says %s"), table->name);
	}
	else if (name != NULL && bms_is_member(name->index, s->table_name->expects))
	{
		s->domain = name;
		s->sure = true;
		because(s, _("the column's name says %s, the table's agrees"), name->name);
	}
	else if (name != NULL && bms_is_empty(s->table_name->expects))
	{
		s->domain = name;
		because(s, _("the column's name says %s"), name->name);
	}
	else if (name != NULL)
	{
		s->contradicted = true;
		because(s, _("the column's name says %s, which is not expected in such a table"),
				name->name);
	}
	if (s->domain != NULL && s->contradicted)
		because(s, _("the column's alone would say %s"), name->name);

	if (bms_is_empty(s->by_comment) || s->contradicted)
		return;
	if (s->domain == NULL)
	{
		if (bms_membership(s->by_comment) == BMS_SINGLETON)
		{
			s->domain = list_nth(domains, bms_singleton_member(s->by_comment));
			because(s, _("the comment says %s"), s->domain->name);
		}
	}
	else if (bms_is_member(s->domain->index, s->by_comment))
	{
		s->sure = true;
		because(s, _("the comment agrees"));
	}
	else
	{
		s->sure = false;
		because(s, _("the comment says something else"));
	}
}

/* The kind of system that should own the domain, and the only one of that kind. */
static void
choose_system(Suggestion *s, List *systems)
{
	ListCell *k;
	int n = 0;

	foreach(k, s->domain->kinds)
	{
		ListCell *lc;

		foreach(lc, systems)
		{
			System *system = lfirst(lc);

			if (strcmp(system->kind, lfirst(k)) == 0)
			{
				s->kind = system->kind;
				s->system = system->name;
				n++;
			}
		}
		if (n > 0)
			break;
	}
	if (n == 1)
		return;
	s->system = NULL;
	if (n > 1)
		because(s, _("%d systems are of kind %s"), n, s->kind);
	else if (s->domain->kinds != NIL)
	{
		s->kind = linitial(s->domain->kinds);
		because(s, _("no system is of kind %s"), s->kind);
	}
}

static System *
find_system(List *systems, const char *name)
{
	ListCell *lc;

	foreach(lc, systems)
		if (name != NULL && strcmp(((System *) lfirst(lc))->name, name) == 0)
			return lfirst(lc);
	return NULL;
}

static void
judge(Suggestion *s, List *domains, List *systems, text *foreign)
{
	Domain *key = find_domain(domains, KEY);
	System *named = named_system(s, systems);
	System *creator;

	initStringInfo(&s->reason);
	if (key != NULL && (s->references != NULL || s->primary))
	{
		s->domain = key;
		s->sure = true;
		if (s->references != NULL)
			because(s, _("a foreign key to %s"), s->references);
		else
			because(s, _("part of the primary key"));
	}
	else if (named != NULL || hits(foreign, s->normal))
	{
		if (s->by_name >= 0 && list_nth(domains, s->by_name) == key)
			s->domain = key;
		because(s,
				_("the column's name holds that of a system: its key there, or a copy of its value"));
		if (named != NULL && s->domain != NULL)
		{
			s->kind = named->kind;
			s->system = named->name;
		}
		return;
	}
	else
		weigh_names(s, domains);

	if (s->domain == NULL)
	{
		if (s->reason.len == 0)
			because(s, _("nothing says what it is"));
		if (s->writers != NULL)
			because(s, _("seen writing: %s"), s->writers);
		return;
	}
	/* whoever creates a record owns its key; one that was just registered is not seen yet */
	creator = find_system(systems, s->source != NULL ? s->source : s->only_writer);
	if (s->domain == key && creator != NULL)
	{
		s->system = creator->name;
		s->kind = creator->kind;
	}
	else
		choose_system(s, systems);
	/* what a source says of others' data is a copy, or a field of its own */
	if (s->source != NULL && strcmp(s->domain->name, TECHNICAL) != 0)
	{
		s->contradicted |= s->system == NULL || strcmp(s->source, s->system) != 0;
		s->sure &= !s->contradicted;
		because(s, _("the table is %s's own copy"), s->source);
	}
	if (s->writers == NULL)
		return;
	if (s->system != NULL && s->only_writer != NULL && strcmp(s->system, s->only_writer) == 0)
	{
		s->sure |= !s->contradicted;
		because(s, _("only %s was seen writing it"), s->writers);
	}
	else
	{
		/* what does not cross a boundary may be anybody's */
		if (strcmp(s->domain->name, TECHNICAL) != 0)
			s->sure = false;
		because(s, _("seen writing: %s"), s->writers);
	}
}

/*
 * The proposals for all columns of the tables that match.
 *
 * Errors: nothing matches.
 */
static List *
suggestions(const char *pattern)
{
	List *domains = read_domains();
	List *systems = read_systems();
	List *columns = read_columns(pattern);
	text *foreign = whole_words(foreign_product);
	ListCell *lc;

	gather(domains, columns);
	foreach(lc, columns)
		judge(lfirst(lc), domains, systems, foreign);
	return columns;
}

static Datum
text_or_null(const char *value, bool *isnull)
{
	*isnull = value == NULL;
	return value == NULL ? (Datum) 0 : CStringGetTextDatum(value);
}

static char *
argument_pattern(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the pattern must not be null")));
	return text_to_cstring(PG_GETARG_TEXT_PP(0));
}

/*
 * suggest(pattern): (relation, column_name, domain, kind, system, sure, reason)
 *
 * Errors: nothing matches.
 */
Datum
ownership_suggest(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char *pattern = argument_pattern(fcinfo);
	ListCell *lc;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	foreach(lc, suggestions(pattern))
	{
		Suggestion *s = lfirst(lc);
		Datum values[7];
		bool nulls[7] = {false};

		values[0] = CStringGetTextDatum(relation_label(s->schema, s->table));
		values[1] = CStringGetTextDatum(s->column);
		values[2] = text_or_null(s->domain == NULL ? NULL : s->domain->name, &nulls[2]);
		values[3] = text_or_null(s->kind, &nulls[3]);
		values[4] = text_or_null(s->system, &nulls[4]);
		values[5] = BoolGetDatum(s->sure);
		values[6] = CStringGetTextDatum(s->reason.data);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	SPI_finish();
	return (Datum) 0;
}

static void
put_outcome(ReturnSetInfo *rsinfo, Suggestion *s, const char *field, const char *domain,
			const char *owner, const char *outcome, const char *reason)
{
	Datum values[7];
	bool nulls[7] = {false};

	values[0] = CStringGetTextDatum(relation_label(s->schema, s->table));
	values[1] = CStringGetTextDatum(s->column);
	values[2] = text_or_null(field, &nulls[2]);
	values[3] = text_or_null(domain, &nulls[3]);
	values[4] = text_or_null(owner, &nulls[4]);
	values[5] = CStringGetTextDatum(outcome);
	values[6] = CStringGetTextDatum(reason);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * adopt(pattern): puts the columns on the map, with domain and owner where
 * the guide is sure.  What was decided before stays.  Returns what became of
 * each: (relation, column_name, field, domain, owner, outcome, reason).
 *
 * Errors: nothing matches; a matching table that is not the caller's.
 */
Datum
ownership_adopt(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char *pattern = argument_pattern(fcinfo);
	List *listed = NIL;
	List *fresh = NIL;
	List *relids = NIL;
	List *parts[5] = {NIL, NIL, NIL, NIL, NIL};
	Parameters p = {0};
	ListCell *lc;
	uint64 n;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	foreach(lc, suggestions(pattern))
	{
		Suggestion *s = lfirst(lc);

		if (s->entity == NULL && !can_be_field(s->column))
		{
			put_outcome(rsinfo, s, NULL, NULL, NULL, "left out",
						_("its name holds a dot, or blanks around it"));
			continue;
		}
		listed = lappend(listed, s);
		if (relids == NIL || llast_oid(relids) != s->relid)
			relids = lappend_oid(relids, s->relid);
		if (s->entity == NULL)
		{
			ColumnSpec *spec = palloc0(sizeof(ColumnSpec));

			spec->schema = s->schema;
			spec->table = s->table;
			spec->column = s->column;
			spec->key = s->primary;
			spec->entity = s->entity = default_entity(s->schema, s->table);
			spec->field = s->field = s->column;
			fresh = lappend(fresh, spec);
		}
		parts[0] = lappend(parts[0], s->entity);
		parts[1] = lappend(parts[1], s->field);
		/* "" stands for nothing */
		parts[2] = lappend(parts[2], s->sure ? s->domain->name : "");
		parts[3] =
			lappend(parts[3], unconstify(char *, s->sure && s->system != NULL ? s->system : ""));
		parts[4] = lappend(parts[4], s->sure && strcmp(s->domain->name, TECHNICAL) == 0 ? "t" : "f");
	}
	map_columns(fresh);

	for (int i = 0; i < 5; i++)
		add_texts(&p, parts[i]);
	/* a field's copies must agree; what was decided stays */
	n = run_sql("WITH proposal AS (SELECT entity, name, min(domain) AS domain, nullif(min(system), '') AS system, bool_and(local::boolean) AS local "
				"FROM unnest($1, $2, $3, $4, $5) g(entity, name, domain, system, local) "
				"GROUP BY 1, 2 HAVING min(domain) = max(domain) AND min(domain) <> '' AND min(system) = max(system)), "
				"adopted AS (UPDATE ownership.field f SET domain = g.domain, owner = g.system, local = g.local "
				"FROM proposal g WHERE (f.entity, f.name) = (g.entity, g.name) "
				"AND f.owner IS NULL AND NOT f.local AND (f.domain IS NULL OR f.domain = g.domain) "
				"RETURNING f.entity, f.name, f.domain, f.owner, f.local) "
				"SELECT g.entity || '.' || g.name, coalesce(a.domain, f.domain), coalesce(a.owner, f.owner), "
				"CASE WHEN a.owner IS NOT NULL THEN 'adopted' WHEN a.local THEN 'local' "
				"WHEN f.owner IS NOT NULL OR f.local THEN 'decided before' ELSE 'no owner' END "
				"FROM unnest($1, $2) WITH ORDINALITY g(entity, name, i) "
				"JOIN ownership.field f ON (f.entity, f.name) = (g.entity, g.name) "
				"LEFT JOIN adopted a ON (a.entity, a.name) = (g.entity, g.name) ORDER BY g.i",
				&p);
	for (uint64 i = 0; i < n; i++)
	{
		Suggestion *s = list_nth(listed, i);

		put_outcome(rsinfo, s, result_text(i, 1), result_text(i, 2), result_text(i, 3),
					result_text(i, 4), s->reason.data);
	}
	guard_free_tables(relids);
	SPI_finish();
	return (Datum) 0;
}
