# What README.md and doc/ say is true: their SQL runs and prints what they
# show, and their links lead somewhere.
#
# Each page has a database of its own, in which its blocks run in order:
#
#   ```sql                 psql runs this.  A statement that must fail is marked "-- fails" on its last line.
#   ```                    what the sql block before it prints at its end; a line "..." stands for any lines
#   ```csv                 the file map.csv of the directory in which psql runs
#   ```sh and others       not run
#   <!-- setup ... -->     SQL that the page needs, and readers do not
#   <!-- after PAGE -->    the blocks of PAGE run first
#   <!-- preload -->       the page needs shared_preload_libraries
use strict;
use warnings;
use Cwd qw(abs_path);
use FindBin;
use File::Basename;
use File::Find;
use IPC::Run;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = abs_path("$FindBin::RealBin/..");
my @pages = ('README.md', 'CONTRIBUTING.md', 'SECURITY.md');
find({ no_chdir => 1, wanted => sub { push @pages, substr($_, length("$root/")) if /\.md$/ } }, "$root/doc");
@pages = sort @pages;

my %text = map { $_ => slurp_file("$root/$_") } @pages;
my $work = PostgreSQL::Test::Utils::tempdir();
my %nodes;

# parts(PAGE): its blocks and comments, as [ kind, text, line ]
sub parts
{
	my ($page) = @_;
	my @parts;
	while ($text{$page} =~ /^(?<indent>[ ]*)```(?<language>[\w-]*)\n(?<block>.*?)^[ ]*```$|^<!-- (?<comment>setup|after|preload)\b(?<content>.*?)-->$/msg)
	{
		my %found = %+;
		my $line = 1 + (substr($text{$page}, 0, $-[0]) =~ tr/\n//);
		push @parts, $found{comment} ? [ $found{comment}, $found{content}, $line ]
		  : [ $found{language} || 'shown', $found{block} =~ s/^\Q$found{indent}\E//mgr, $line ];
	}
	return @parts;
}

# with_earlier(PAGE): the parts of the pages that it goes on from, and its own
sub with_earlier
{
	my ($page) = @_;
	return map { $_->[0] eq 'after' ? with_earlier(path($page, $_->[1] =~ s/\s//gr)) : [ @$_, $page ] } parts($page);
}

# path(PAGE, LINK): the file that a link on a page leads to, from the root
sub path
{
	my ($page, $link) = @_;
	return (abs_path("$root/" . dirname($page) . "/$link") // 'nowhere') =~ s{^\Q$root\E/}{}r;
}

# lines(TEXT): one form for what psql prints and what a page shows of it
sub lines
{
	my ($text) = @_;
	return grep { $_ ne '' } map { s/\s*\+?\s*$//r } map { s/\s*\|\s*/|/gr =~ s/^\s+//r }
	  grep { !/^[-+]*-[-+]*\s*$/ } split /\n/, $text;
}

# write_file(NAME, TEXT): where psql runs
sub write_file
{
	my ($name, $body) = @_;
	open my $file, '>', "$work/$name" or die $!;
	print $file $body;
	close $file or die $!;
	return;
}

sub node
{
	my ($preload) = @_;
	return $nodes{$preload} //=
	  new_node($preload ? 'preloaded' : 'plain', preload => $preload, activity => $preload);
}

# run_page(PAGE): true if each block printed what is shown, and only what is said to fail failed
sub run_page
{
	my ($page) = @_;
	my @parts = with_earlier($page);
	my $node = node((grep { $_->[0] eq 'preload' } @parts) ? 1 : 0);
	my $script = "\\set QUIET on\n\\pset pager off\n\\pset footer off\n";
	my %fails;

	foreach my $i (0 .. $#parts)
	{
		my ($kind, $body) = @{ $parts[$i] };
		write_file('map.csv', $body) if $kind eq 'csv';
		next unless $kind eq 'sql' || $kind eq 'setup';
		my $line = 1 + ($script =~ tr/\n//);
		foreach my $code (split /\n/, $body)
		{
			$fails{$line} = 1 if $code =~ /-- fails\b/;
			$line++;
		}
		$script .= $body . ($body =~ /\n\z/ ? '' : "\n") . "\\echo =$i=\n";
	}

	write_file('page.sql', $script);

	$node->safe_psql('postgres', 'CREATE DATABASE page');
	my $output = '';
	delete local $ENV{PGAPPNAME};
	IPC::Run::run([ 'psql', '-X', '-d', $node->connstr('page'), '-f', 'page.sql' ],
		'>&', \$output, init => sub { chdir $work or die $! });
	$node->safe_psql('postgres', 'DROP DATABASE page WITH (FORCE)');
	$node->safe_psql('postgres',
		join('', map { "DROP OWNED BY \"$_\"; DROP ROLE \"$_\";" }
			  split /\n/, $node->safe_psql('postgres', 'SELECT rolname FROM pg_roles WHERE oid >= 16384')));

	my %failed = map { $_ => 1 } $output =~ /^psql:page\.sql:(\d+): (?:ERROR|error)/mg;
	my $right = 1;
	foreach my $line (sort { $a <=> $b } keys %{ { %fails, %failed } })
	{
		next if $fails{$line} && $failed{$line};
		diag("$page: " . ($failed{$line} ? 'fails: ' : 'does not fail: ') . (split /\n/, $script)[ $line - 1 ]);
		$right = 0;
	}

	$output =~ s/^psql:page\.sql:\d+: //mg;
	my $printed;
	foreach my $i (0 .. $#parts)
	{
		my ($kind, $body, $line, $of) = @{ $parts[$i] };
		if ($kind eq 'sql' || $kind eq 'setup')
		{
			($printed, $output) = split /^=$i=\n/m, $output, 2;
			$output //= '';
		}
		next unless $kind eq 'shown';
		my $expected = join('', map { $_ eq '...' ? '(?:.*\n)*?' : quotemeta("$_\n") } lines($body));
		next if join('', map { "$_\n" } lines($printed // '')) =~ /^$expected\z/m;
		diag("$of:$line shows\n${body}and what is printed is\n" . ($printed // ''));
		$right = 0;
	}
	diag("in the end:\n$output") if !$right && $output ne '';
	return $right;
}

my $blocks = 0;
foreach my $page (@pages)
{
	my @sql = grep { $_->[0] eq 'sql' } parts($page);
	if (!@sql)
	{
		ok(!(grep { $_->[0] eq 'shown' } parts($page)), "$page shows nothing that is not run");
		next;
	}
	$blocks += @sql;
	ok(run_page($page), "$page runs");
}
cmp_ok($blocks, '>', 40, 'blocks were run');

# Links.  An anchor is made as GitHub makes it.
sub prose { return $text{ $_[0] } =~ s/^([ ]*)```.*?^[ ]*```$//msgr =~ s/<!--.*?-->//sgr; }

sub anchors
{
	my ($page) = @_;
	return map { my $a = lc; $a =~ s/[^\w\- ]//g; $a =~ s/ /-/g; $a => 1 } prose($page) =~ /^#+ (.*?)\s*$/mg;
}

my @broken;
my $links = 0;
foreach my $page (@pages)
{
	foreach my $link (prose($page) =~ /\]\(([^)\s]+)\)/g)
	{
		next if $link =~ /^\w+:/;
		my ($target, $anchor) = split /#/, $link, 2;
		my $to = $target eq '' ? $page : path($page, $target);
		$links++;
		push @broken, "$page: $link" if !-e "$root/$to";
		push @broken, "$page: $link" if defined $anchor && $text{$to} && !{ anchors($to) }->{$anchor};
	}
}
is(join("\n", @broken), '', 'each link leads to a page, and to a heading of it');
cmp_ok($links, '>', 40, 'links were followed');

# The index has all of them.
my @missing = grep { m{^doc/(.*)} && $1 ne 'README.md' && $text{'doc/README.md'} !~ /\]\(\Q$1\E\)/ } @pages;
is("@missing", '', 'doc/README.md lists each page');

$_->stop foreach values %nodes;
done_testing();
