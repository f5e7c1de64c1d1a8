# The contents of an installed extension, so that two installations can be
# compared: all its objects and what belongs to them, by pg_depend, and the
# properties of each.
package Catalog;

use strict;
use warnings;

use Exporter 'import';
our @EXPORT = qw(extension_catalog extension_rows differences);

# Privileges, sorted: their order in an ACL means nothing.
my $acl = sub { "(SELECT string_agg(a::text, ' ' ORDER BY a::text COLLATE \"C\") FROM unnest($_[0]) a)" };

# The properties of the objects of each catalog: pairs of a title and an
# expression over the catalog's row x and the member m.
my %aspects = (
	pg_namespace => [ owner => 'nspowner::regrole', acl => $acl->('nspacl') ],
	pg_class => [
		owner => 'relowner::regrole', acl => $acl->('relacl'), kind => 'relkind', persistence => 'relpersistence',
		options => 'reloptions', 'access method' => '(SELECT amname FROM pg_am WHERE oid = relam)',
		'replica identity' => 'relreplident', 'row security' => '(relrowsecurity, relforcerowsecurity)',
		toast => 'reltoastrelid <> 0', rules => 'relhasrules', triggers => 'relhastriggers', columns => 'relnatts',
		view => q{CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(x.oid) END},
		index => q{CASE WHEN relkind = 'i' THEN pg_get_indexdef(x.oid) END},
		'index flags' => '(SELECT (indisunique, indisprimary, indimmediate, indisvalid, indisclustered, indisreplident) FROM pg_index WHERE indexrelid = x.oid)',
		sequence => '(SELECT (format_type(seqtypid, NULL), seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle) FROM pg_sequence WHERE seqrelid = x.oid)',
	],
	pg_proc => [
		owner => 'proowner::regrole', acl => $acl->('proacl'), kind => 'prokind',
		definition => q{CASE WHEN prokind <> 'a' THEN pg_get_functiondef(x.oid) END},
		arguments => 'pg_get_function_arguments(x.oid)',
	],
	pg_type => [
		owner => 'typowner::regrole', acl => $acl->('typacl'), type => '(typtype, typcategory, typnotnull, typdefault)',
		base => 'format_type(typbasetype, typtypmod)',
	],
	pg_constraint => [ definition => 'pg_get_constraintdef(x.oid)', flags => '(contype, convalidated, conislocal, coninhcount, connoinherit)' ],
	pg_trigger => [
		definition => 'pg_get_triggerdef(x.oid)', enabled => 'tgenabled', internal => 'tgisinternal',
	],
	pg_attrdef => [],
	pg_rewrite => [ enabled => 'ev_enabled', rule => 'pg_get_ruledef(x.oid)' ],
	pg_event_trigger => [
		owner => 'evtowner::regrole', event => 'evtevent', enabled => 'evtenabled', function => 'evtfoid::regprocedure',
		tags => '(SELECT array_agg(t ORDER BY t COLLATE "C") FROM unnest(evttags) t)',
	],
);

my $members = q{
	WITH RECURSIVE extension AS (SELECT * FROM pg_extension WHERE extname = 'ownership'),
	member AS (
		SELECT d.classid, d.objid, true AS own FROM pg_depend d JOIN extension e ON d.refobjid = e.oid
		WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
	),
	/* and what belongs to them */
	part AS (
		SELECT classid, objid FROM member
		UNION
		SELECT d.classid, d.objid FROM pg_depend d JOIN part p ON d.refclassid = p.classid AND d.refobjid = p.objid
		WHERE d.deptype IN ('i', 'a', 'P', 'S')
	),
	/* and what is in its schema, but does not belong to it */
	stray AS (
		SELECT 'pg_class'::regclass AS classid, c.oid AS objid FROM pg_class c WHERE relnamespace = to_regnamespace('ownership')
		UNION SELECT 'pg_proc'::regclass, p.oid FROM pg_proc p WHERE pronamespace = to_regnamespace('ownership')
		UNION SELECT 'pg_type'::regclass, t.oid FROM pg_type t WHERE typnamespace = to_regnamespace('ownership')
	),
	m AS (
		SELECT o.classid, o.objid, member.own, i.type || ' ' || i.identity AS object
		FROM (SELECT * FROM part UNION SELECT * FROM stray) o
		LEFT JOIN member USING (classid, objid)
		CROSS JOIN LATERAL pg_identify_object(o.classid, o.objid, 0) i
	)};

# One query that returns everything: objects, aspects and values, with separators
# that none of them contains.
sub catalog_query
{
	my @parts = (
		q{SELECT object, 'is a member of the extension', coalesce(own, false)::text FROM m},
		q{SELECT object, 'comment', obj_description(objid, classid::regclass::name) FROM m},
		q{SELECT object, 'initial privileges', format('%s %s', objsubid, } . $acl->('p.initprivs') . q{)
			FROM m JOIN pg_init_privs p ON p.classoid = classid AND p.objoid = objid},
		# dependencies
		q{SELECT m.object, 'depends on', format('%s %s', deptype, pg_describe_object(refclassid, refobjid, refobjsubid))
			FROM m JOIN pg_depend d USING (classid, objid)},
		# columns with their numbers, by which the library uses them
		q{SELECT format('column %s of %s', a.attname, object), t.aspect, t.value
			FROM m JOIN pg_attribute a ON classid = 'pg_class'::regclass AND a.attrelid = objid AND attnum > 0
			LEFT JOIN pg_attrdef d ON adrelid = attrelid AND adnum = attnum
			CROSS JOIN LATERAL (VALUES ('number', attnum::text), ('dropped', attisdropped::text),
				('type', format_type(atttypid, atttypmod)), ('collation', nullif(attcollation, 0)::regcollation::text),
				('not null', attnotnull::text), ('default', pg_get_expr(adbin, adrelid)),
				('identity, generated', format('%s%s', attidentity, attgenerated)), ('storage', format('%s%s', attstorage, attcompression)),
				('statistics', nullif(attstattarget, -1)::text),
				/* from 15.20 on PostgreSQL stores a value of its own there */
				('options', (SELECT string_agg(o, ' ') FROM unnest(attoptions) o WHERE o LIKE 'n\_distinct%')),
				('acl', } . $acl->('attacl') . q{), ('comment', col_description(attrelid, attnum)),
				('inherited', attinhcount::text)) AS t(aspect, value)},
		# the extension itself
		q{SELECT 'the extension', t.aspect, t.value FROM extension
			CROSS JOIN LATERAL (VALUES ('version', extversion), ('relocatable', extrelocatable::text),
				('schema', extnamespace::regnamespace::text), ('owner', extowner::regrole::text),
				('comment', obj_description(oid, 'pg_extension'))) AS t(aspect, value)},
		q{SELECT 'the extension', 'dumps ' || c.t::regclass, format('(%s)', w.condition) FROM extension, unnest(extconfig) WITH ORDINALITY AS c(t, n)
			JOIN LATERAL unnest(extcondition) WITH ORDINALITY AS w(condition, n) USING (n)}
	);
	foreach my $class (sort keys %aspects)
	{
		my @aspects = @{ $aspects{$class} };
		my @values;
		while (my ($aspect, $value) = splice @aspects, 0, 2) { push @values, "('$aspect', ($value)::text)" }
		push @parts, "SELECT object, t.aspect, t.value FROM m JOIN $class x ON classid = '$class'::regclass AND x.oid = objid
			CROSS JOIN LATERAL (VALUES " . join(', ', @values) . ') AS t(aspect, value)'
		  if @values;
	}
	# an object of a catalog that is not in the list above must not be left out unseen
	my $known = join ',', sort keys %aspects;
	push @parts, "SELECT object, 'unknown', classid::regclass::text FROM m
		WHERE classid <> ALL ('{$known}'::regclass[])";
	return "$members SELECT string_agg(concat_ws(chr(31), object, aspect, value), chr(30)) FROM ("
	  . join(' UNION ALL ', @parts) . ") AS r(object, aspect, value) WHERE value <> ''";
}

# extension_catalog(NODE, DATABASE[, BEFORE]): object => { aspect => value }.
# BEFORE is SQL that is run first, and rolled back.
sub extension_catalog
{
	my ($node, $db, $before) = @_;
	my $text = $node->safe_psql($db, 'BEGIN; ' . ($before // '') . ";\n" . catalog_query() . ";\nROLLBACK");
	my (%catalog, %seen);
	# names that contain OIDs
	$text =~ s/(pg_toast_|RI_ConstraintTrigger_[ac]_)\d+/$1N/g;
	foreach my $line (split /\x1e/, $text)
	{
		next if $seen{$line}++;
		my ($object, $aspect, $value) = split /\x1f/, $line, 3;
		die "$object is of $value, which t/lib/Catalog.pm does not know how to look at\n" if $aspect eq 'unknown';
		push @{ $catalog{$object}{$aspect} }, $value;
	}
	# sorted: their order means nothing
	foreach my $o (values %catalog) { $_ = join "\n", sort @$_ foreach values %$o }
	return \%catalog;
}

# extension_rows(NODE, DATABASE): the rows of the extension's tables, and the
# values of its sequences, in the same form.
sub extension_rows
{
	my ($node, $db) = @_;
	my %rows;
	foreach my $relation (split /\n/, $node->safe_psql($db, q{
		SELECT CASE relkind WHEN 'S' THEN format('(SELECT last_value, is_called FROM %s)', c.oid::regclass) ELSE c.oid::regclass::text END
		FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid JOIN pg_class c ON c.oid = objid
		WHERE extname = 'ownership' AND d.classid = 'pg_class'::regclass AND deptype = 'e' AND relkind IN ('r', 'S')}))
	{
		my $i = 0;
		$rows{"rows of $relation"}{ 'row ' . ++$i } = $_
		  foreach split /\n/, $node->safe_psql($db, qq{SELECT to_jsonb(t) FROM $relation t ORDER BY t::text COLLATE "C"});
	}
	return \%rows;
}

# differences(LEFT, RIGHT, WHAT LEFT IS, WHAT RIGHT IS): a line for each
# difference, which names the object; none, if they are the same.
sub differences
{
	my ($left, $right, $l, $r) = @_;
	my @lines;
	foreach my $object (sort keys %{ { %$left, %$right } })
	{
		if (!exists $left->{$object} || !exists $right->{$object})
		{
			push @lines, "$object: only in the " . (exists $left->{$object} ? $l : $r);
			next;
		}
		my ($x, $y) = ($left->{$object}, $right->{$object});
		foreach my $aspect (sort keys %{ { %$x, %$y } })
		{
			my ($p, $q) = map { defined $_ ? $_ : '(none)' } $x->{$aspect}, $y->{$aspect};
			push @lines, "$object: $aspect:\n    $l: $p\n    $r: $q" if $p ne $q;
		}
	}
	return @lines;
}

1;
