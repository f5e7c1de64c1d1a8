# Prints doc/reference.md from the catalog of a database that has the
# extension, in a server that preloads the library.  psql finds the database by
# the environment (PGHOST, PGPORT, PGDATABASE).
#
# A COMMENT that begins with "Internal:" keeps an object off the page; trigger
# functions are never on it.  The COMMENT on a function is a line about its
# purpose, then a line "Arguments:" with a line "- name: meaning" for each
# argument, then a line that begins with "Returns", with such a line for each
# column of the result.  The COMMENT on a column may end with a list of the
# same form, of the values that the column can have.
#
# It fails where a comment is missing, or does not fit the catalog.
use strict;
use warnings;
use JSON::PP;

# What the catalog does not contain; t/all_reference.pl compares it with the sources.
my @sqlstates = (
	[ '01000', 'warning',
		'A NOTICE at the end of a statement: values were kept out, or rows were not created or not deleted. The constraint field is ownership.' ],
	[ '0A000', 'feature_not_supported',
		'A row filter calls a function that reads tables, such as table_to_xml; erase() is called in REPEATABLE READ or SERIALIZABLE.' ],
	[ '21000', 'cardinality_violation',
		'The key of a conflict, or of the authoritative copy, is the key of several rows.' ],
	[ '22004', 'null_value_not_allowed', 'An argument that must not be NULL is NULL.' ],
	[ '2201B', 'invalid_regular_expression', 'A pattern of the guide fails as a regular expression.' ],
	[ '22023', 'invalid_parameter_value',
		'An argument has a value that the function does not accept: a policy, a severity, a format, an empty list, a row_key.' ],
	[ '22P02', 'invalid_text_representation', 'A cell of the spreadsheet cannot be read as yes or no.' ],
	[ '23503', 'foreign_key_violation',
		'A system is deleted that a planned handover names.' ],
	[ '23514', 'check_violation',
		'An edit of the map leaves the fields of a group with several systems of record or policies, or puts a key into a group.' ],
	[ '2D000', 'invalid_transaction_termination',
		'guard_all() or reconcile_all() is called in a transaction block.' ],
	[ '39P01', 'trigger_protocol_violated',
		'A trigger function of the extension is called for a table, a time or an event that it is not made for.' ],
	[ '39P03', 'event_trigger_protocol_violated',
		'An event trigger function of the extension is called in another way.' ],
	[ '40001', 'serialization_failure',
		'Another session changed the row, or the map, at the same time; the transaction might succeed if it is tried again. Also when the statement itself loads the library and contains a further statement. Or a COPY edited the map by a trigger or a default, so that its rows should have been judged: repeating it does not help.' ],
	[ '42501', 'insufficient_privilege',
		'The guard rejects a write by a writer that is not the system of record; the error fields name schema, table and column. The same SQLSTATE is in the WARNING of the server log for a value that the guard keeps out in a replication worker. Also: the caller may not decide on conflicts, erase evidence or reconcile; a row filter, or a trigger on the tables of the map, calls a function that is not trusted.' ],
	[ '42601', 'syntax_error', 'A row filter is not a single expression.' ],
	[ '42602', 'invalid_name',
		'The name of a system, a kind, an entity, a field or a column is not valid.' ],
	[ '42702', 'ambiguous_column', 'The row_key of why() can mean rows of two tables.' ],
	[ '42703', 'undefined_column', 'A column does not exist.' ],
	[ '42704', 'undefined_object',
		'A system, role, subscription, domain, field, conflict or type does not exist, or a table or column is not on the map. With the setting ownership.system: the first guarded write fails so when no system has that name.' ],
	[ '42710', 'duplicate_object',
		'The system exists; the identity writes as another system; the column contains another field.' ],
	[ '42804', 'datatype_mismatch',
		'Columns that link() or assign() makes copies of one field have types that cannot be compared.' ],
	[ '42809', 'wrong_object_type',
		'The relation is not a table, or is a temporary table, a system catalog or a table of the extension.' ],
	[ '42846', 'cannot_coerce', 'Values of one type cannot be read as values of the other.' ],
	[ '42883', 'undefined_function', 'The type of a key column has no equality operator.' ],
	[ '42P01', 'undefined_table',
		'A table does not exist, no table matches the pattern, or the extension is not created in this database.' ],
	[ '42P10', 'invalid_column_reference',
		'A column cannot be on the map because it is a system or a generated column, or a row filter uses such a column.' ],
	[ '42P16', 'invalid_table_definition',
		'A role adds a NOT NULL column without a default to a table that the extension writes.' ],
	[ '42P17', 'invalid_object_definition',
		'A row filter uses a volatile function, writes a guarded table or asks which system owns a row.' ],
	[ '53000', 'insufficient_resources',
		'flush() cannot start the background worker, because there is no free process.' ],
	[ '54000', 'program_limit_exceeded', 'The values of one row are too large for evidence.' ],
	[ '55000', 'object_not_in_prerequisite_state',
		'The operation is not possible in this state: a conflict is resolved, superseded or was not refused; a copy cannot be compared; the library is not preloaded; the server is a standby; a TRUNCATE of a table of the extension would go to, or comes from, another database.' ],
	[ 'P0002', 'no_data_found',
		'The row of a conflict, or the row with this row_key, does not exist.' ],
	[ 'P0004', 'assert_failure', 'assert_clean() finds an open risk.' ],
);

my $catalog = do {
	local $/;
	my $query = <DATA>;
	$ENV{PGCLIENTENCODING} = 'UTF8';
	open my $psql, '-|', 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-c', $query or die "psql: $!\n";
	my $out = <$psql>;
	close $psql or die "psql failed\n";
	JSON::PP->new->utf8->decode($out);
};
my (%settings, %functions, %relations);
$settings{ $_->{name} } = $_ foreach @{ $catalog->{settings} };
push @{ $functions{ $_->{name} } }, $_ foreach @{ $catalog->{functions} };
$relations{ $_->{name} } = $_ foreach @{ $catalog->{relations} };
my @problems;
my %anchors;

# The sections that are lists of a column's values: title, column.
my @lists = ([ 'Policies', 'field', 'policy' ], [ 'Blanks', 'field', 'on_blank' ], [ 'Outcomes', 'conflict', 'outcome' ], [ 'Kinds of risk', 'risks', 'risk' ],
	[ 'Names of metrics', 'metrics', 'name' ]);

sub anchor { return lc($_[0] =~ s/[^\w -]//gr) =~ tr/ /-/r }

sub heading
{
	my ($level, $title) = @_;
	push @problems, "two headings have the anchor of \"$title\"" if $anchors{ anchor($title) }++;
	return ('#' x $level) . " $title\n\n";
}

# A function may have the name of a table.
sub relation_title { return $functions{ $_[0] } ? "$_[0] (table)" : $_[0] }

sub linked { return "[`$_[0]`](#" . anchor($_[1] // $_[0]) . ')' }

# Text for Markdown, with links to what it names.
sub text
{
	my ($text) = @_;
	$text =~ s/([\\*|<])/\\$1/g;
	$text =~ s{(setting )?\bownership\.(\w+)( = \w+)?}{
		my ($before, $name, $value) = ($1 // '', $2, $3 // '');
		$settings{"ownership.$name"} && ($before || $value || !$relations{$name}) ? $before . linked("ownership.$name") . $value
			: $relations{$name} ? $before . linked("ownership.$name", relation_title($name)) : "$before`ownership.$name`$value" }ge;
	$text =~ s{(?<![.\w])(\w+)\(\)}{ $functions{$1} ? linked("$1()") : "`$1()`" }ge;
	return $text;
}

sub table
{
	my ($head, @rows) = @_;
	return join('', map { '| ' . join(' | ', @$_) . " |\n" } $head, [ map { '---' } @$head ], @rows) . "\n";
}

# The first line of a comment; and the lists below it, each of names, what is in
# parentheses, and texts, by the word that begins the line above the list.
sub parts
{
	my ($object, $comment) = @_;
	push @problems, "$object has no comment" if !defined $comment;
	my ($first, @lines) = split /\n/, $comment // '';
	my %part = map { $_ => { list => [] } } qw(values Arguments Returns);
	my $at = 'values';
	foreach (@lines)
	{
		if (/^- (\w+)(?: \(([^)]*)\))?: (.+)$/)
		{
			push @{ $part{$at}{list} }, [ $1, $2, $3 ];
		}
		elsif (/^(Arguments|Returns)\b/ && !$part{$1}{text})
		{
			$at = $1;
			$part{$at}{text} = $_;
		}
		else
		{
			push @problems, "the comment on $object has a line that is not of the form: $_";
		}
	}
	return ($first // '', \%part);
}

# Reports a problem unless the list has exactly these names, in this order.
sub fits
{
	my ($object, $list, @names) = @_;
	my $said = join ', ', map { $_->[0] } @$list;
	my $is = join ', ', @names;
	push @problems, "the comment on $object describes ($said) instead of ($is)" if $said ne $is;
}

sub default { return defined $_[0] ? '`' . ($_[0] =~ s/::[\w ."]+(?:\[\])?$//r) . '`' : '' }

#
# The parts of the page
#
sub settings
{
	my %effect = (user => 'at once', superuser => 'at once', sighup => 'at a reload', postmaster => 'at a restart');
	my %unit = (B => 'bytes', kB => 'kilobytes', ms => 'milliseconds');
	my $page = heading(2, 'Settings')
	  . "A setting that a session can set takes effect at once. `ALTER DATABASE` and `ALTER ROLE` can set it, too. The others are in the configuration of\n"
	  . "the server, and take effect at a reload or at a restart.\n\n";
	foreach my $s (map { $settings{$_} } sort keys %settings)
	{
		push @problems, "setting $s->{name} has no description" if !$s->{short_desc} || !$s->{extra_desc};
		my $unit = $s->{unit} ? $unit{ $s->{unit} } // $s->{unit} : '';
		my $values = $s->{enumvals} ? join(', ', map { "`$_`" } @{ $s->{enumvals} })
		  : $s->{vartype} eq 'bool' ? '`on`, `off`'
		  : $s->{vartype} eq 'integer' ? "$s->{min_val} to $s->{max_val}" . ($unit && " $unit") : 'text';
		my $default = $s->{boot_val} eq '' ? 'empty' : "`$s->{boot_val}`" . ($unit && " $unit");
		$page .= heading(3, $s->{name}) . text("$s->{short_desc} $s->{extra_desc}") . "\n\n"
		  . table([ qw(type values default context), 'takes effect' ], [ $s->{vartype}, $values, $default, $s->{context}, $effect{ $s->{context} } ]);
	}
	return $page;
}

sub functions
{
	my $page = heading(2, 'Functions')
	  . "Every role may call these functions. They run with the privileges of their caller: what they read and write, the caller must be allowed to read and\n"
	  . "write. Procedures are called with `CALL`.\n\n";
	foreach my $name (sort keys %functions)
	{
		$page .= heading(3, "$name()");
		foreach my $f (@{ $functions{$name} })
		{
			my ($purpose, $part) = parts("function $f->{signature}", $f->{comment});
			my @in = grep { $_->{mode} =~ /[ib]/ } @{ $f->{arguments} };
			my @out = grep { $_->{mode} =~ /[obt]/ } @{ $f->{arguments} };
			my ($first) = grep { defined $in[$_]{default} } 0 .. $#in;
			$first //= @in;
			my $call = join(', ', map { $_->{name} } @in[ 0 .. $first - 1 ]);
			$call .= ($first ? ' [, ' : '[') . join(', ', map { $_->{name} } @in[ $first .. $#in ]) . ']' if $first < @in;

			fits("function $f->{signature}", $part->{Arguments}{list}, map { $_->{name} } @in);
			fits("function $f->{signature}, result,", $part->{Returns}{list}, map { $_->{name} } @out);
			push @problems, "function $f->{signature} may not be called by every role" if !$f->{public};
			my $type = !defined $f->{result} ? 'a procedure' : @out ? ($f->{result} =~ /^SETOF/ ? 'returns rows' : 'returns a row') : "returns `$f->{result}`";
			$page .= '`' . ($f->{result} ? '' : 'CALL ') . "ownership.$name($call)`: $type\n\n" . text($purpose) . "\n\n";

			my %meaning = map { $_ => { map { $_->[0] => text($_->[2]) } @{ $part->{$_}{list} } } } qw(Arguments Returns);
			$page .= table([ 'argument', 'type', 'default', 'meaning' ],
				map { [ "`$_->{name}`", "`$_->{type}`", default($_->{default}), $meaning{Arguments}{ $_->{name} } // '' ] } @in) if @in;
			$page .= text($part->{Returns}{text}) . "\n\n" if $part->{Returns}{text};
			$page .= table([ 'column', 'type', 'meaning' ], map { [ "`$_->{name}`", "`$_->{type}`", $meaning{Returns}{ $_->{name} } // '' ] } @out) if @out;
		}
	}
	return $page;
}

sub relations
{
	my ($title, $kind, $intro) = @_;
	my $page = heading(2, $title) . $intro;
	foreach my $r (grep { $_->{kind} eq $kind } map { $relations{$_} } sort keys %relations)
	{
		my ($purpose) = parts("$kind $r->{name}", $r->{comment});
		my @rights = ($r->{readable} ? 'Every role may read it.' : 'Roles with a `GRANT` may read it.');
		push @rights, 'Roles with a `GRANT` may change it.' if $kind eq 'table';
		push @rights, 'Roles with a `GRANT` may insert rows.' if $kind eq 'view' && $r->{updatable} & 8;
		push @problems, "every role may change $r->{name}" if $r->{writable};
		$page .= heading(3, relation_title($r->{name})) . text($purpose) . "\n\n" . join(' ', @rights);
		$page .= ' Primary key: ' . join(', ', map { "`$_`" } @{ $r->{key} }) . '.' if $r->{key};
		$page .= "\n\n" . table([ 'column', 'type', $kind eq 'table' ? ('NULL', 'default') : (), 'meaning' ], map { column($r, $_) } @{ $r->{columns} });
	}
	return $page;
}

sub column
{
	my ($r, $c) = @_;
	my ($meaning, $part) = parts("column $c->{name} of $r->{name}", $c->{comment});
	my ($list) = grep { $_->[1] eq $r->{name} && $_->[2] eq $c->{name} } @lists;
	push @problems, "the comment on column $c->{name} of $r->{name}: a list that is on no part of the page" if @{ $part->{values}{list} } && !$list;
	$meaning = text($meaning) . ($list ? " See [$list->[0]](#" . anchor($list->[0]) . ').' : '');
	return [ "`$c->{name}`", "`$c->{type}`",
		$r->{kind} eq 'table' ? ($c->{not_null} ? 'no' : 'yes', $c->{identity} ? 'generated' : default($c->{default})) : (), $meaning ];
}

sub list
{
	my ($title, $relation, $column) = @_;
	my ($c) = grep { $_->{name} eq $column } @{ $relations{$relation}{columns} };
	my ($intro, $part) = parts("column $column of $relation", $c->{comment});
	my @list = @{ $part->{values}{list} };
	my $extra = grep { defined $_->[1] } @list;
	push @problems, "the comment on column $column of $relation has no list" if !@list;
	return heading(2, $title) . 'Values of column `' . $column . '` of ' . linked("ownership.$relation", relation_title($relation)) . ".\n\n"
	  . table([ 'value', $extra ? 'severity' : (), 'meaning' ], map { [ "`$_->[0]`", $extra ? $_->[1] // '' : (), text($_->[2]) ] } @list);
}

sub sqlstates
{
	return heading(2, 'SQLSTATEs')
	  . "The errors that the extension itself raises. PostgreSQL raises others, such as those of constraints, with SQLSTATEs of its own.\n\n"
	  . table([ 'SQLSTATE', 'condition', 'raised when' ], map { [ "`$_->[0]`", "`$_->[1]`", text($_->[2]) ] } @sqlstates);
}

my @parts = (
	[ 'Settings', settings(), map { "$_" } sort keys %settings ],
	[ 'Functions', functions(), map { "$_()" } sort keys %functions ],
	[ 'Tables', relations('Tables', 'table',
		"The map and the evidence are tables of schema `ownership`. Plain SQL on the tables of the map is supported; a change takes effect at once, in every session.\n\n"),
		grep { $relations{$_}{kind} eq 'table' } sort keys %relations ],
	[ 'Views', relations('Views', 'view', ''), grep { $relations{$_}{kind} eq 'view' } sort keys %relations ],
	(map { [ $_->[0], list(@$_) ] } @lists),
	[ 'SQLSTATEs', sqlstates() ]);
die join("\n", @problems) . "\n" if @problems;

my $page = "# Reference\n\n<!-- Written by \"make reference\" from the COMMENTs of the extension: change those, not this page. -->\n\n"
  . "Everything that the extension offers to SQL.\n\n";
foreach my $part (@parts)
{
	my ($title, undef, @names) = @$part;
	$page .= "- [$title](#" . anchor($title) . ')' . (@names ? ': ' . join(', ', map { linked($_) } @names) : '') . "\n";
}
print $page, "\n", join('', map { $_->[1] } @parts) =~ s/\n\n\z/\n/r;

__DATA__
SELECT json_build_object(
	'settings', (SELECT json_agg(json_build_object('name', name, 'unit', unit, 'vartype', vartype, 'context', context, 'boot_val', boot_val,
			'min_val', min_val, 'max_val', max_val, 'enumvals', enumvals, 'short_desc', short_desc, 'extra_desc', extra_desc))
		FROM pg_settings WHERE ownership.loaded() AND name LIKE 'ownership.%'),
	'functions', (SELECT json_agg(json_build_object('name', p.proname, 'signature', p.oid::regprocedure::text,
			'result', pg_get_function_result(p.oid), 'comment', obj_description(p.oid, 'pg_proc'),
			'public', has_function_privilege('public', p.oid, 'EXECUTE'),
			'arguments', (SELECT coalesce(json_agg(json_build_object('name', p.proargnames[i], 'type', format_type(t, NULL), 'mode', m,
					'default', CASE WHEN m = 'i' THEN pg_get_function_arg_default(p.oid, i::int) END) ORDER BY i), '[]')
				FROM unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) WITH ORDINALITY a(t, i)
				CROSS JOIN LATERAL (SELECT coalesce(p.proargmodes[i], 'i')) o(m)))
		ORDER BY p.proname, p.oid::regprocedure::text COLLATE "C")
		FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
		WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'ownership')
		  AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
		  AND obj_description(p.oid, 'pg_proc') NOT LIKE 'Internal:%' IS NOT FALSE),
	'relations', (SELECT json_agg(json_build_object('name', c.relname, 'kind', CASE c.relkind WHEN 'v' THEN 'view' ELSE 'table' END,
			'comment', obj_description(c.oid, 'pg_class'),
			'readable', has_table_privilege('public', c.oid, 'SELECT'),
			'writable', has_table_privilege('public', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'),
			'updatable', pg_relation_is_updatable(c.oid, true),
			'key', (SELECT json_agg(a.attname ORDER BY k.i) FROM pg_index x
				CROSS JOIN LATERAL unnest(x.indkey) WITH ORDINALITY k(n, i)
				JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.n
				WHERE x.indrelid = c.oid AND x.indisprimary),
			'columns', (SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
					'not_null', a.attnotnull, 'identity', a.attidentity <> '', 'default', pg_get_expr(e.adbin, e.adrelid),
					'comment', col_description(c.oid, a.attnum)) ORDER BY a.attnum)
				FROM pg_attribute a LEFT JOIN pg_attrdef e ON e.adrelid = a.attrelid AND e.adnum = a.attnum
				WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)))
		FROM pg_class c JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
		WHERE d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'ownership') AND c.relkind IN ('r', 'v', 'p')
		  AND obj_description(c.oid, 'pg_class') NOT LIKE 'Internal:%' IS NOT FALSE))
