# A second opinion on every write: random tables, maps, writers and statements,
# and a model of the contract that says what must come of each.  The model is
# written from the documentation, not from the C code, and shares nothing with
# it.
#
#   my $round = Oracle::Round->new($seed);     # makes everything up
#   my $diff = $round->run($node);             # undef, or what differed first
#   print $round->smallest($node);             # a script that shows it
package Oracle;

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Utils;

my $json = JSON::PP->new->canonical->allow_nonref;

# Types: values as SQL literals without quotes, which are the text output too,
# except where shown.  numeric: compared as numbers.
our %types = (
	int => { values => [qw(0 1 2 3 7)], default => '3' },
	text => { values => [ 'a', 'b', "it's", "\x{e9}\x{4e16}", '' ], default => 'b' },
	numeric => { values => [qw(9.5 9.50 9.500 10 0 0.00 -1)], default => '9.50', numeric => 1 },
	'numeric(10,2)' => { values => [qw(9.50 10.00 0.00 1.25)], default => '10.00', numeric => 1 },
	'fz.amount' => { values => [qw(5 5.0 5.00 6)], default => '5.0', numeric => 1 },
	boolean => { values => [qw(t f)], default => 'f' },
	date => { values => [qw(2024-02-29 1999-12-31)], default => '1999-12-31' },
	'text[]' => { values => [ '{}', '{a,b}', '{b,a}', '{NULL}' ], default => '{}' },
	jsonb => { values => [ '{"a": 1}', '[]', '{"a": 2, "b": null}' ], default => '[]' },
	'fz.pair' => { values => [ '(1,x)', '(2,x)', '(,)' ], default => '(1,x)' },
	bytea => { values => [ '\\x00ff', '\\x', '\\x' . ('ab' x 1500) ], default => '\\x' },
);

sub quote
{
	my ($value) = @_;
	return 'NULL' if !defined $value;
	$value =~ s/'/''/g;
	return "'$value'";
}

sub decode { return $json->decode($_[0]); }
sub encode { return $json->encode($_[0]); }

package Oracle::Round;

use strict;
use warnings;

use PostgreSQL::Test::Utils;

my @systems = qw(s1 s2 s3);

# who => [role that writes, setting ownership.system, system, is it a steward?]
my %writers = (
	(map { $_ => [ "fz_$_", undef, $_, 0 ] } @systems),
	member => [ 'fz_member', undef, 's1', 0 ],
	nobody => [ 'fz_nobody', undef, undef, 0 ],
	steward => [ 'fz_steward', undef, undef, 1 ],
	superuser => [ 'postgres', undef, undef, 0 ],
	middleware => [ 'postgres', 's2', 's2', 0 ]);

sub new
{
	my ($class, $seed, %opt) = @_;
	my $self = bless { seed => $seed, opt => \%opt }, $class;

	srand($seed);
	$self->make_table;
	$self->make_map;
	$self->{statements} = [];
	my $model = Oracle::Model->new($self);
	for (1 .. $opt{statements} // 60)
	{
		my $statement = $self->make_statement($model);
		push @{ $self->{statements} }, $statement;
		$model->predict($statement);
	}
	return $self;
}

sub pick { return $_[ int(rand(@_)) ]; }
sub chance { return rand() < $_[0]; }

# A subset, in order; never empty.
sub some
{
	my @all = @_;
	my @chosen = grep { chance(0.5) } @all;
	return @chosen ? @chosen : (pick(@all));
}

#
# What is made up
#

sub make_table
{
	my ($self) = @_;
	my @columns;

	$self->{layout} = pick(qw(plain plain range list));
	push @columns, { name => 'id', type => 'int', key => 1 };
	push @columns, { name => 'r', type => 'text', key => 1, values => [qw(de fr xx)] }
	  if $self->{layout} eq 'list';
	# what row filters look at
	push @columns, { name => 'k', type => 'int', unowned => 1 };
	for my $i (1 .. 2 + int(rand(5)))
	{
		my $type = pick(sort keys %types);
		my $c = { name => chance(0.1) ? "Column $i" : "c$i", type => $type };
		my $kind = pick(qw(none none constant volatile));

		$kind = 'constant' if $kind eq 'volatile' && $type ne 'int';
		$c->{default} = $kind eq 'none' ? undef : $kind eq 'volatile' ? '7' : $types{$type}{default};
		$c->{volatile} = 1 if $kind eq 'volatile';
		$c->{not_null} = 1 if $kind eq 'constant' && chance(0.3);
		push @columns, $c;
	}
	for my $c (@columns)
	{
		$c->{values} //= $types{ $c->{type} }{values};
		$c->{numeric} = $types{ $c->{type} }{numeric};
	}
	$self->{columns} = \@columns;
	$self->{column} = { map { $_->{name} => $_ } @columns };
	$self->{keys} = [ grep { $_->{key} } @columns ];
	$self->{dropped} = chance(0.4);
	$self->{generated} = chance(0.4);
	return;
}

sub make_map
{
	my ($self) = @_;

	for my $c (@{ $self->{columns} })
	{
		$c->{owner} = $c->{unowned} || chance(0.15) ? undef : pick(@systems);
		$c->{policy} = pick(qw(observe fill keep reject), undef);
		next if $c->{key} || $c->{unowned} || !chance(0.25);
		# who owns the rows where the filter holds; the first that does, counts
		for (1 .. 1 + int(rand(2)))
		{
			my $n = int(rand(8));
			push @{ $c->{rules} }, pick(
				[ "id < $n", sub { $_[0]{id} < $n } ],
				[ "k = $n", sub { defined $_[0]{k} && $_[0]{k} == $n } ],
				[ "k IS NULL", sub { !defined $_[0]{k} } ]);
			$c->{rules}[-1][2] = pick(@systems);
			# the same filter again would replace the owner
			pop @{ $c->{rules} } if grep { $_->[0] eq $c->{rules}[-1][0] } @{ $c->{rules} }[ 0 .. $#{ $c->{rules} } - 1 ];
		}
	}
	$self->{source} = chance(0.2) ? pick(@systems) : undef;
	$self->{default_policy} = pick(qw(reject reject keep observe));
	return;
}

sub value
{
	my ($c) = @_;
	return undef if !$c->{not_null} && chance(0.15);
	return pick(@{ $c->{values} });
}

sub new_row
{
	my ($self, $id, $columns) = @_;
	return { map { $_->{name} => $_->{name} eq 'id' ? $id : $_->{key} ? pick(@{ $_->{values} }) : value($_) }
		  @$columns };
}

# Ids of rows to write: some that are there, some that are not.
sub ids
{
	my ($self, $model, $n) = @_;
	my %ids;

	while (keys %ids < $n) { $ids{ int(rand(12)) } = 1; }
	return sort { $a <=> $b } keys %ids;
}

# A statement in words: everything that the model, and to_sql(), need.
sub make_statement
{
	my ($self, $model) = @_;
	my @columns = @{ $self->{columns} };
	my @values = grep { !$_->{key} } @columns;
	my %s = (
		kind => pick(
			qw(insert insert upsert upsert nothing update update update update delete copy merge rekey),
			chance(0.2) ? 'truncate' : 'update',
			chance(0.4) ? 'map' : 'insert',
			chance(0.2) ? 'transaction' : 'update'),
		writer => pick(qw(s1 s1 s2 s2 s3 member nobody steward superuser middleware)),
		enforcement => chance(0.9) ? 'on' : pick(qw(off observe)),
		lift => chance(0.7) ? 'on' : 'off',
		wrap => chance(0.5) ? 'plain' : pick(qw(prepared function definer cte view)));

	if ($s{kind} =~ /^(insert|upsert|nothing|copy|merge)$/)
	{
		my %named = map { $_->{name} => 1 } some(@values), @{ $self->{keys} };
		$s{named} = [ grep { $named{ $_->{name} } } @columns ];
		$s{rows} = [ map { $self->new_row($_, $s{named}) } $self->ids($model, 1 + int(rand(3))) ];
		if (!chance(0.3) && @{ $s{rows} })
		{
			# most upserts resend what is stored, or some of it
			for my $row (@{ $s{rows} })
			{
				my $stored = $model->{rows}{ $self->key_of($row) } or next;
				for my $c (@{ $s{named} })
				{
					$row->{ $c->{name} } = $stored->{ $c->{name} } if !$c->{key} && chance(0.5);
				}
			}
		}
	}
	if ($s{kind} =~ /^(upsert|merge)$/)
	{
		my @set = grep { !$_->{key} } @{ $s{named} };
		$s{set} = @set ? [ some(@set) ] : [];
		$s{kind} = 'nothing' if !@set && $s{kind} eq 'upsert';
		$s{matched} = !@set ? 'nothing' : pick(qw(update update update delete nothing)) if $s{kind} eq 'merge';
	}
	if ($s{kind} eq 'update')
	{
		$s{set} = [ some(@values) ];
		$s{to} = { map { $_->{name} => value($_) } @{ $s{set} } };
		$s{ids} = [ $self->ids($model, 1 + int(rand(4))) ];
	}
	if ($s{kind} eq 'rekey')
	{
		my $c = pick(@{ $self->{keys} });
		$s{set} = [$c];
		$s{to} = { $c->{name} => $c->{name} eq 'id' ? int(rand(12)) : pick(@{ $c->{values} }) };
		$s{ids} = [ $self->ids($model, 1) ];
		$s{r} = pick(@{ $self->{column}{r}{values} }) if $self->{column}{r};
	}
	$s{ids} = [ $self->ids($model, 1 + int(rand(3))) ] if $s{kind} eq 'delete';
	if ($s{kind} eq 'map')
	{
		my $c = pick(grep { !$_->{unowned} } @columns);
		%s = (kind => 'map', column => $c->{name}, owner => pick(@systems, undef), policy => pick(qw(observe fill keep reject), undef));
	}
	$s{action} = pick(qw(begin savepoint rollback_to rollback commit)) if $s{kind} eq 'transaction';
	$s{wrap} = 'plain' if $s{kind} =~ /^(copy|truncate|merge|map|transaction)$/;
	return \%s;
}

sub key_of
{
	my ($self, $row) = @_;
	return join('|', map { $row->{ $_->{name} } } @{ $self->{keys} });
}

#
# As SQL
#

sub identifier { return qq("$_[0]"); }

sub setup_sql
{
	my ($self) = @_;
	my @columns = @{ $self->{columns} };
	my $layout = $self->{layout};
	my $key = join(', ', map { identifier($_->{name}) } @{ $self->{keys} });
	my @defs = map {
			identifier($_->{name}) . " $_->{type}"
		  . ($_->{volatile} ? ' DEFAULT fz.seven()' : defined $_->{default} ? ' DEFAULT ' . Oracle::quote($_->{default}) : '')
		  . ($_->{not_null} ? ' NOT NULL' : '')
	} @columns;
	my @extra = $self->{generated} ? ('g int GENERATED ALWAYS AS (id * 2) STORED') : ();
	my $by = $layout eq 'range' ? 'PARTITION BY RANGE (id)' : $layout eq 'list' ? 'PARTITION BY LIST (r)' : '';
	my $sql = <<"END";
SET client_min_messages = error;
CREATE EXTENSION ownership;
CREATE SCHEMA fz;
GRANT USAGE ON SCHEMA fz TO PUBLIC;
CREATE FUNCTION fz.seven() RETURNS int LANGUAGE plpgsql VOLATILE AS 'BEGIN RETURN 7; END';
CREATE DOMAIN fz.amount AS numeric CHECK (VALUE < 1000);
CREATE TYPE fz.pair AS (n int, t text);
CREATE FUNCTION fz.run(q text) RETURNS void LANGUAGE plpgsql AS 'BEGIN EXECUTE q; END';
CREATE FUNCTION fz.run_as_owner(q text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN EXECUTE q; END';
END
	$sql .= 'CREATE TABLE fz.t (' . ($self->{dropped} ? 'gone int, ' : '') . join(', ', @defs, @extra)
	  . ", PRIMARY KEY ($key)) $by;\n";
	if ($layout eq 'range')
	{
		# one that is laid out otherwise, and one that is partitioned itself
		my @other = (reverse(@defs), @extra);
		$sql .= 'CREATE TABLE fz.t_low (was int, ' . join(', ', @other) . ");\nALTER TABLE fz.t_low DROP COLUMN was;\n";
		$sql .= "CREATE TABLE fz.t_high PARTITION OF fz.t FOR VALUES FROM (8) TO (100) PARTITION BY RANGE (id);\n";
		$sql .= "CREATE TABLE fz.t_high_1 PARTITION OF fz.t_high FOR VALUES FROM (8) TO (10);\n";
		$sql .= "CREATE TABLE fz.t_high_2 PARTITION OF fz.t_high DEFAULT;\nCREATE TABLE fz.t_rest PARTITION OF fz.t DEFAULT;\n";
	}
	$sql .= "CREATE TABLE fz.t_de PARTITION OF fz.t FOR VALUES IN ('de');\nCREATE TABLE fz.t_rest PARTITION OF fz.t DEFAULT;\n"
	  if $layout eq 'list';
	$sql .= "ALTER TABLE fz.t DROP COLUMN gone;\n" if $self->{dropped};
	$sql .= "ALTER TABLE fz.t ATTACH PARTITION fz.t_low FOR VALUES FROM (0) TO (5);\n" if $layout eq 'range';
	$sql .= 'CREATE VIEW fz.v AS SELECT ' . join(', ', map { identifier($_->{name}) } @columns) . " FROM fz.t;\n";
	# a view does not inherit the defaults of its table; they apply all the same
	$sql .= "GRANT ALL ON ALL TABLES IN SCHEMA fz TO PUBLIC;\n";
	$sql .= "SELECT ownership.add_system('$_', 'erp', role => 'fz_$_');\n" for @systems;
	$sql .= "SELECT ownership.identify(NULL, role => 'fz_steward', steward => true);\n";
	for my $c (@columns)
	{
		$sql .= sprintf("SELECT ownership.assign('fz.t', ARRAY[%s]::name[], %s, policy => %s);\n",
			Oracle::quote($c->{name}), Oracle::quote($c->{owner}), Oracle::quote($c->{policy}));
		$sql .= sprintf("SELECT ownership.assign_rows('fz.t', ARRAY[%s]::name[], '%s', %s);\n",
			Oracle::quote($c->{name}), $_->[2], Oracle::quote($_->[0]))
		  for @{ $c->{rules} // [] };
	}
	$sql .= "UPDATE ownership.mirrored_table SET source = '$self->{source}' WHERE table_name = 't';\n" if $self->{source};
	$sql .= "SET ownership.default_policy = '$self->{default_policy}';\n";
	return $sql;
}

sub tuple
{
	my ($row, @columns) = @_;
	return '(' . join(', ', map { Oracle::quote($row->{ $_->{name} }) . "::$_->{type}" } @columns) . ')';
}

sub assignments
{
	my ($from, @columns) = @_;
	return join(', ', map {
			identifier($_->{name}) . ' = ' . (ref $from ? Oracle::quote($from->{ $_->{name} }) . "::$_->{type}" : "$from." . identifier($_->{name}))
	} @columns);
}

sub to_sql
{
	my ($self, $s) = @_;
	my $t = $s->{wrap} && $s->{wrap} eq 'view' ? 'fz.v' : 'fz.t';
	my @named = @{ $s->{named} // [] };
	my $names = join(', ', map { identifier($_->{name}) } @named);
	my $key = join(', ', map { identifier($_->{name}) } @{ $self->{keys} });
	my $kind = $s->{kind};
	my $sql;

	if ($kind =~ /^(insert|upsert|nothing)$/)
	{
		$sql = "INSERT INTO $t ($names) VALUES " . join(', ', map { tuple($_, @named) } @{ $s->{rows} });
		$sql .= " ON CONFLICT ($key) DO UPDATE SET " . assignments('EXCLUDED', @{ $s->{set} }) if $kind eq 'upsert';
		$sql .= ' ON CONFLICT DO NOTHING' if $kind eq 'nothing';
	}
	elsif ($kind eq 'merge')
	{
		$sql = "MERGE INTO $t x USING (VALUES " . join(', ', map { tuple($_, @named) } @{ $s->{rows} }) . ") AS y ($names) ON "
		  . join(' AND ', map { "x.$_->{name} = y.$_->{name}" } @{ $self->{keys} });
		$sql .= ' WHEN MATCHED THEN '
		  . ($s->{matched} eq 'update' ? 'UPDATE SET ' . assignments('y', @{ $s->{set} })
			: $s->{matched} eq 'delete' ? 'DELETE' : 'DO NOTHING');
		$sql .= " WHEN NOT MATCHED THEN INSERT ($names) VALUES (" . join(', ', map { 'y.' . identifier($_->{name}) } @named) . ')';
	}
	elsif ($kind eq 'copy')
	{
		$sql = "COPY fz.t ($names) FROM stdin;\n";
		for my $row (@{ $s->{rows} })
		{
			$sql .= join("\t", map {
					my $v = $row->{ $_->{name} };
					$v =~ s/\\/\\\\/g if defined $v;
					defined $v ? $v : '\\N'
			} @named) . "\n";
		}
		return $sql . "\\.\n";
	}
	elsif ($kind =~ /^(update|rekey)$/)
	{
		$sql = "UPDATE $t SET " . assignments($s->{to}, @{ $s->{set} }) . ' WHERE id IN (' . join(', ', @{ $s->{ids} }) . ')';
		$sql .= " AND r = '$s->{r}'" if $s->{r};
	}
	elsif ($kind eq 'delete') { $sql = "DELETE FROM $t WHERE id IN (" . join(', ', @{ $s->{ids} }) . ')'; }
	elsif ($kind eq 'truncate') { $sql = 'TRUNCATE fz.t'; }
	elsif ($kind eq 'map')
	{
		$sql = 'UPDATE ownership.field SET owner = ' . Oracle::quote($s->{owner}) . ', policy = ' . Oracle::quote($s->{policy})
		  . " WHERE entity = 'fz.t' AND name = " . Oracle::quote($s->{column});
	}
	elsif ($kind eq 'transaction')
	{
		$sql = { begin => 'BEGIN', savepoint => 'SAVEPOINT a', rollback_to => 'ROLLBACK TO a', rollback => 'ROLLBACK', commit => 'COMMIT' }->{ $s->{action} };
	}

	my $wrap = $s->{wrap} // 'plain';
	return "PREPARE p AS $sql;\nEXECUTE p;\n" if $wrap eq 'prepared';
	return "SELECT fz.run(\$q\$$sql\$q\$);\n" if $wrap eq 'function';
	return "SELECT fz.run_as_owner(\$q\$$sql\$q\$);\n" if $wrap eq 'definer';
	return "WITH w AS ($sql RETURNING 1) SELECT count(*) FROM w;\n" if $wrap eq 'cte';
	return "$sql;\n";
}

# The statement as its writer, and what there is to see afterwards.
sub step_sql
{
	my ($self, $s) = @_;
	my $sql = $self->to_sql($s);

	return "$sql\\echo \@S :SQLSTATE\n" if $s->{kind} =~ /^(map|transaction)$/;
	my ($role, $setting) = @{ $writers{ $s->{writer} } };
	my $order = join(', ', 1 .. @{ $self->{keys} });
	my $columns = join(', ', map { identifier($_->{name}) } @{ $self->{columns} });
	return
		"SELECT coalesce(max(id), 0) AS last FROM ownership.conflict \\gset\n"
	  . "SET ownership.enforcement = $s->{enforcement}; SET ownership.lift = $s->{lift};\n"
	  . ($setting ? "SET ownership.system = '$setting';\n" : '')
	  . ($role eq 'postgres' ? '' : "SET ROLE $role;\n")
	  . "\\echo \@X\n$sql\\echo \@S :SQLSTATE\n"
	  . ($s->{wrap} eq 'prepared' ? "DEALLOCATE p;\n" : '')
	  . "RESET ROLE; RESET ownership.system;\n"
	  . "\\echo \@R\nSELECT $columns FROM fz.t ORDER BY $order;\n"
	  . "\\echo \@E\nSELECT jsonb_build_array(operation, system, role, outcome, columns, row_key, stored, proposed) FROM ownership.conflict WHERE id > :last AND outcome <> 'rejected';\n";
}

sub script
{
	my ($self, @statements) = @_;
	return "\\pset null '\\\\N'\n" . $self->setup_sql . "\\set ON_ERROR_ROLLBACK on\n\\echo \@START\n"
	  . join('', map { $self->step_sql($_) } @statements);
}

#
# Running it
#

my $serial = 0;

# What differed first, as text; undef if nothing.  `last` becomes the number of
# statements up to there.
sub differs
{
	my ($self, $node, @statements) = @_;
	my $db = 'fz_' . $serial++;
	my $file = "$PostgreSQL::Test::Utils::tmp_check/oracle.sql";
	my ($out, $err);

	open(my $fh, '>:encoding(UTF-8)', $file) or die "$file: $!";
	print $fh $self->script(@statements);
	close($fh);
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	my @command = ('psql', '-XAtq', '-v', 'ON_ERROR_STOP=0', '-d', $node->connstr($db), '-f', $file);
	IPC::Run::run(\@command, '>', \$out, '2>', \$err);
	$node->safe_psql('postgres', "DROP DATABASE $db WITH (FORCE)");
	utf8::decode($out);
	my ($before, @parts) = split(/^\@S /m, $out);
	return "the set-up failed:\n$err" if $before !~ /\@START\n/ || $before =~ /ERROR/ || $err =~ /set-up/;

	my $model = Oracle::Model->new($self);
	for my $i (0 .. $#statements)
	{
		my $s = $statements[$i];
		my $expected = $model->predict($s);
		my $diff;

		$self->{last} = $i + 1;
		return "statement $i was not run:\n$err" if !defined $parts[$i];
		my ($state) = $parts[$i] =~ /^(\w+)/;
		if (ref $expected->{errors} && %{ $expected->{errors} })
		{
			$diff = "expected SQLSTATE " . join(' or ', sort keys %{ $expected->{errors} }) . ", got $state"
			  if !$expected->{errors}{$state} && $s->{kind} ne 'copy';    # psql does not say there
		}
		elsif ($state ne '00000') { $diff = "expected success, got SQLSTATE $state"; }
		if (!$diff && $s->{kind} !~ /^(map|transaction)$/)
		{
			my ($rows, $evidence) = $parts[$i] =~ /^\@R\n(.*?)^\@E\n(.*?)(?:^\@|\z)/ms;
			my $want = $model->dump;
			$diff = "expected rows\n$want\ngot\n$rows" if $want ne $rows;
			if (!$diff)
			{
				my @got = sort map { Oracle::encode(tidy(Oracle::decode($_))) } grep { $_ ne '' } split(/\n/, $evidence);
				my @want = sort map { Oracle::encode(tidy($_)) } @{ $expected->{evidence} };
				$diff = "expected evidence\n" . join("\n", @want) . "\ngot\n" . join("\n", @got) if "@got" ne "@want";
			}
		}
		return "$diff\n(writer " . ($s->{writer} // '-') . ', ' . $self->to_sql($s) . ")\n" if $diff;
	}
	return undef;
}

# Columns in no order; values are texts on both sides.
sub tidy
{
	my ($e) = @_;
	$e->[4] = [ sort @{ $e->[4] } ] if ref $e->[4];
	for my $i (5 .. 7)
	{
		my $values = $e->[$i];
		$e->[$i] = { map { $_ => defined $values->{$_} ? "$values->{$_}" : undef } keys %$values } if ref $values;
	}
	return $e;
}

sub run
{
	my ($self, $node) = @_;
	return $self->differs($node, @{ $self->{statements} });
}

# The fewest statements that still differ, as a script to run by psql.
sub smallest
{
	my ($self, $node) = @_;
	my @statements = @{ $self->{statements} };

	return '-- it does not differ again' if !defined $self->differs($node, @statements);
	splice(@statements, $self->{last});
	for (my $n = @statements >> 1; $n >= 1; $n = $n >> 1)
	{
		for (my $i = 0; $i < @statements - 1;)
		{
			my @fewer = @statements;
			my $m = $i + $n > @statements - 1 ? @statements - 1 - $i : $n;
			splice(@fewer, $i, $m);
			if (defined $self->differs($node, @fewer)) { @statements = @fewer[ 0 .. $self->{last} - 1 ]; }
			else { $i += $n; }
		}
	}
	my $diff = $self->differs($node, @statements);
	return "-- seed $self->{seed}\n" . join('', map { "CREATE ROLE fz_$_;\n" } @systems, qw(member nobody steward)) . $self->script(@statements) . "\n/*\n$diff*/\n";
}

package Oracle::Model;

use strict;
use warnings;

sub new
{
	my ($class, $round) = @_;
	my $self = bless { round => $round, rows => {}, memory => {}, map => {}, saved => [], inside => 0 }, $class;
	$self->{map}{ $_->{name} } = { owner => $_->{owner}, policy => $_->{policy} } for @{ $round->{columns} };
	return $self;
}

sub copy_state
{
	my ($self) = @_;
	my %rows = map { $_ => { %{ $self->{rows}{$_} } } } keys %{ $self->{rows} };
	my %map = map { $_ => { %{ $self->{map}{$_} } } } keys %{ $self->{map} };
	return { rows => \%rows, memory => { %{ $self->{memory} } }, map => \%map };
}

sub restore
{
	my ($self, $state) = @_;
	$self->{rows} = $state->{rows};
	$self->{memory} = $state->{memory};
	$self->{map} = $state->{map};
	return;
}

sub dump
{
	my ($self) = @_;
	my $r = $self->{round};
	my @keys = @{ $r->{keys} };
	my $out = '';

	for my $row (sort { $a->{id} <=> $b->{id} || ($a->{r} // '') cmp($b->{r} // '') } values %{ $self->{rows} })
	{
		$out .= join('|', map { $row->{ $_->{name} } // '\\N' } @{ $r->{columns} }) . "\n";
	}
	return $out;
}

# Does a value differ from another?  Numerics by number, all else by image.
sub changed
{
	my ($c, $a, $b) = @_;
	return defined $a != defined $b if !defined $a || !defined $b;
	return $c->{numeric} ? $a != $b : $a ne $b;
}

# The system of record of a column in a row; undef if there is none.
sub owner
{
	my ($self, $c, $row) = @_;
	for my $rule (@{ $c->{rules} // [] })
	{
		return $rule->[2] if $row && $rule->[1]->($row);
	}
	return $self->{map}{ $c->{name} }{owner};
}

# What becomes of a write that is not the owner's.
sub verdict
{
	my ($self, $s, $operation, $c, $stored) = @_;
	my $policy = $self->{map}{ $c->{name} }{policy} // $self->{round}{default_policy};

	return 'overridden' if $writers{ $s->{writer} }[3];
	return 'observed' if $s->{enforcement} eq 'observe';
	return 'observed' if $policy eq 'observe';
	return 'rejected' if $policy eq 'reject';
	return 'filled' if $policy eq 'fill' && ($operation eq 'INSERT' || ($operation eq 'UPDATE' && !defined $stored));
	return 'rejected' if $operation eq 'TRUNCATE';
	return 'discarded' if $operation eq 'DELETE' || ($operation eq 'INSERT' && $c->{key});
	return 'kept';
}

# Is the column somebody else's for the writer?
sub foreign
{
	my ($self, $s, $c, $row) = @_;
	my $system = $writers{ $s->{writer} }[2];
	my $owner = $self->owner($c, $row);

	return 0 if $s->{enforcement} eq 'off' || !defined $owner;
	return 0 if defined $system && ($system eq $owner || ($self->{round}{source} // '') eq $system);
	return 1;
}

sub evidence
{
	my ($self, $s, $operation, $outcome, $columns, $key, $stored, $proposed) = @_;
	my ($role, undef, $system) = @{ $writers{ $s->{writer} } };
	my $row_key = $key && { map { $_->{name} => $key->{ $_->{name} } } @{ $self->{round}{keys} } };

	push @{ $self->{evidence} }, [ $operation, $system, $role, $outcome, $columns, $row_key, $stored, $proposed ];
	return;
}

# A refused value is told once: returns those of the columns that were not.
sub untold
{
	my ($self, $s, $what, $key, $proposed, @columns) = @_;
	my ($role, undef, $system) = @{ $writers{ $s->{writer} } };
	my $who = defined $system ? $system : "role $role";
	my @fresh;

	for my $c (@columns)
	{
		my $at = join("\0", $what, $self->{round}->key_of($key), $who, $c);
		my $value = ref $proposed && $what eq 'kept' ? Oracle::encode($proposed->{$c}) : Oracle::encode($proposed);

		next if defined $self->{memory}{$at} && $self->{memory}{$at} eq $value;
		$self->{memory}{$at} = $value;
		push @fresh, $c;
	}
	return @fresh;
}

sub values_of
{
	my ($row, @columns) = @_;
	return { map { $_ => defined $row->{$_} ? "$row->{$_}" : undef } @columns };
}

# The row as evidence shows it whole.
sub whole
{
	my ($self, $row) = @_;
	return values_of($row, map { $_->{name} } @{ $self->{round}{columns} });
}

sub allowed
{
	my ($self, $s, $operation, $key, $stored, $proposed, %verdicts) = @_;
	for my $outcome (qw(observed filled overridden))
	{
		my @columns = grep { $verdicts{$_} eq $outcome } keys %verdicts or next;
		$self->evidence($s, $operation, $outcome, \@columns, $key,
			$operation eq 'DELETE' ? $self->whole($stored) : $stored && values_of($stored, @columns),
			$proposed && values_of($proposed, @columns));
	}
	return;
}

sub insert
{
	my ($self, $s, $given, %opt) = @_;
	my $r = $self->{round};
	my %named = map { $_->{name} => 1 } @{ $s->{named} };
	my %row = map { $_->{name} => $named{ $_->{name} } ? $given->{ $_->{name} } : $_->{default} } @{ $r->{columns} };
	my $there = $self->{rows}{ $r->key_of(\%row) };
	my %verdicts;
	my @kept;

	for my $c (@{ $r->{columns} })
	{
		my $value = $row{ $c->{name} };

		next if !$self->foreign($s, $c, \%row);
		next if !$c->{key} && (!defined $value || ($c->{volatile} ? !$named{ $c->{name} } : !changed($c, $value, $c->{default})));
		$verdicts{ $c->{name} } = $self->verdict($s, 'INSERT', $c);
	}
	if ($there && !$opt{copy}) { $self->{errors}{23505} = 1; return; }
	if (grep { $_ eq 'rejected' } values %verdicts)
	{
		$self->{errors}{42501} = 1;
		$self->{errors}{23505} = 1 if $there;
		return;
	}
	if (my @columns = grep { $verdicts{$_} eq 'discarded' } keys %verdicts)
	{
		my $whole = $self->whole(\%row);
		@columns = $self->untold($s, 'discarded INSERT', \%row, $whole, @columns);
		$self->evidence($s, 'INSERT', 'discarded', \@columns, \%row, undef, $whole) if @columns;
		return;
	}
	if ($there) { $self->{errors}{23505} = 1; return; }
	@kept = grep { $verdicts{$_} eq 'kept' } keys %verdicts;
	my %final = (%row, map { $_ => $r->{column}{$_}{default} } @kept);
	for (@kept)
	{
		if ($r->{column}{$_}{not_null} && !defined $final{$_}) { $self->{errors}{42501} = 1; return; }
	}
	$self->allowed($s, 'INSERT', \%row, undef, \%row, %verdicts);
	@kept = $self->untold($s, 'kept', \%row, \%row, @kept);
	$self->evidence($s, 'INSERT', 'kept', \@kept, \%row, values_of(\%final, @kept), values_of(\%row, @kept)) if @kept;
	$self->{rows}{ $r->key_of(\%final) } = \%final;
	return;
}

sub update
{
	my ($self, $s, $stored, $to, @set) = @_;
	my $r = $self->{round};
	my %new = (%$stored, map { $_->{name} => $to->{ $_->{name} } } @set);
	my %final = %new;
	my %verdicts;

	for my $c (@set)
	{
		my $name = $c->{name};
		next if !changed($c, $stored->{$name}, $new{$name}) || !$self->foreign($s, $c, $stored);
		$verdicts{$name} = $self->verdict($s, 'UPDATE', $c, $stored->{$name});
		$final{$name} = $stored->{$name} if $verdicts{$name} eq 'kept';
	}
	my ($was, $is) = ($r->key_of($stored), $r->key_of(\%final));
	$self->{errors}{23505} = 1 if $was ne $is && $self->{rows}{$is};
	$self->{errors}{42501} = 1 if grep { $_ eq 'rejected' } values %verdicts;
	return if %{ $self->{errors} };

	# evidence goes by the key that the row has now
	$self->allowed($s, 'UPDATE', \%final, $stored, \%new, %verdicts);
	my @kept = $self->untold($s, 'kept', \%final, \%new, grep { $verdicts{$_} eq 'kept' } keys %verdicts);
	$self->evidence($s, 'UPDATE', 'kept', \@kept, \%final, values_of($stored, @kept), values_of(\%new, @kept)) if @kept;
	delete $self->{rows}{$was};
	$self->{rows}{$is} = \%final;
	return;
}

sub delete
{
	my ($self, $s, $stored) = @_;
	my %verdicts;

	for my $c (@{ $self->{round}{keys} })
	{
		$verdicts{ $c->{name} } = $self->verdict($s, 'DELETE', $c) if $self->foreign($s, $c, $stored);
	}
	if (grep { $_ eq 'rejected' } values %verdicts) { $self->{errors}{42501} = 1; return; }
	if (my @columns = grep { $verdicts{$_} eq 'discarded' } keys %verdicts)
	{
		@columns = $self->untold($s, 'discarded DELETE', $stored, undef, @columns);
		$self->evidence($s, 'DELETE', 'discarded', \@columns, $stored, values_of($stored, @columns), undef) if @columns;
		return;
	}
	$self->allowed($s, 'DELETE', $stored, $stored, undef, %verdicts);
	delete $self->{rows}{ $self->{round}->key_of($stored) };
	return;
}

sub truncate
{
	my ($self, $s) = @_;
	my %verdicts;

	for my $c (@{ $self->{round}{keys} })
	{
		$verdicts{ $c->{name} } = $self->verdict($s, 'TRUNCATE', $c) if $self->foreign($s, $c, undef);
	}
	if (grep { $_ eq 'rejected' } values %verdicts) { $self->{errors}{42501} = 1; return; }
	for my $outcome (qw(observed overridden))
	{
		my @columns = grep { $verdicts{$_} eq $outcome } keys %verdicts;
		$self->evidence($s, 'TRUNCATE', $outcome, \@columns, undef, undef, undef) if @columns;
	}
	$self->{rows} = {};
	return;
}

# Takes a statement; returns the errors it may end with, and its evidence.
sub predict
{
	my ($self, $s) = @_;
	my $before = $self->copy_state;
	my $r = $self->{round};

	$self->{errors} = {};
	$self->{evidence} = [];
	if ($s->{kind} eq 'transaction') { $self->transaction($s->{action}); }
	elsif ($s->{kind} eq 'map')
	{
		$self->{map}{ $s->{column} } = { owner => $s->{owner}, policy => $s->{policy} };
	}
	elsif ($s->{kind} eq 'truncate') { $self->truncate($s); }
	elsif ($s->{rows})
	{
		for my $row (@{ $s->{rows} })
		{
			my $stored = $before->{rows}{ $r->key_of($row) };
			my $action = !$stored || $s->{kind} =~ /^(insert|copy)$/ ? 'insert'
			  : $s->{kind} eq 'upsert' ? 'update' : $s->{kind} eq 'nothing' ? 'nothing' : $s->{matched};

			$self->insert($s, $row, copy => $s->{kind} eq 'copy') if $action eq 'insert';
			$self->update($s, $stored, $row, @{ $s->{set} }) if $action eq 'update';
			$self->delete($s, $stored) if $action eq 'delete';
		}
	}
	else
	{
		for my $key (sort keys %{ $before->{rows} })
		{
			my $stored = $before->{rows}{$key};
			next if !grep { $_ == $stored->{id} } @{ $s->{ids} };
			next if $s->{r} && $s->{r} ne $stored->{r};
			$s->{kind} eq 'delete' ? $self->delete($s, $stored) : $self->update($s, $stored, $s->{to}, @{ $s->{set} });
		}
	}
	if (%{ $self->{errors} })
	{
		$self->restore($before);
		$self->{evidence} = [];
	}
	return { errors => $self->{errors}, evidence => $self->{evidence} };
}

# psql's ON_ERROR_ROLLBACK lets a transaction go on after an error.
sub transaction
{
	my ($self, $action) = @_;
	my $saved = $self->{saved};

	if ($action eq 'begin') { push @$saved, $self->copy_state if !@$saved; }
	elsif ($action eq 'savepoint')
	{
		if (@$saved) { $saved->[1] = $self->copy_state; }
		else { $self->{errors}{'25P01'} = 1; }
	}
	elsif ($action eq 'rollback_to')
	{
		if (@$saved > 1) { $self->restore($saved->[1]); $saved->[1] = $self->copy_state; }
		else { $self->{errors}{ @$saved ? '3B001' : '25P01' } = 1; }
	}
	else
	{
		$self->restore($saved->[0]) if $action eq 'rollback' && @$saved;
		@$saved = ();
	}
	return;
}

1;
