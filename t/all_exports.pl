# The library shares a process with others: it shows the functions that SQL
# names and what PostgreSQL looks for (the worker, too), and no other symbol.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use Test::More;

chomp(my $pkglibdir = qx(pg_config --pkglibdir));
my ($library) = grep { -e } map { "$_/ownership.so" } (($ENV{OWNERSHIP_CONF} // '') =~ m{(.*)/private\.conf$} ? "$1/install$pkglibdir" : ()), $pkglibdir;
plan skip_all => 'the library was not found' if !$library;
my @symbols = map { (split)[-1] } `nm -D --defined-only '$library'`;
plan skip_all => 'there is no nm' if $? != 0;

# those of released versions, too: their objects are served
my %named = map { $_ => 1 } map { slurp($_) =~ /'MODULE_PATHNAME', '(\w+)'/g }
	glob("$FindBin::RealBin/../src/install/*.sql $FindBin::RealBin/../src/install/versions/*.sql");
my %shown = map { s/@.*//r => 1 } @symbols;
my %may = (%named, (map { ("pg_finfo_$_" => 1) } keys %named), _PG_init => 1, Pg_magic_func => 1, ownership_worker => 1);

cmp_ok(scalar keys %named, '>', 50, 'SQL names many functions');
is(join(' ', grep { !$shown{$_} } sort keys %may), '', 'each is shown');
is(join(' ', grep { !$may{$_} } sort keys %shown), '', 'and nothing else');
done_testing();

sub slurp
{
	my ($file) = @_;
	local $/;
	open my $in, '<', $file or die "$file: $!";
	return <$in>;
}
