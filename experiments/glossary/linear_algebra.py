"""The words and signs of the chapter linear algebra."""

from __future__ import annotations

from experiments.glossary.term import Term

TERMS = (
    # ---- vectors ----
    Term("vector", "vector", "np.array([3.0, 4.0])", "a list of numbers, with a length and a direction", "vectors", "vectors?"),
    Term("a[0]", "a zero", "a[0]", "the first entry of a vector: entries are counted from 0", "vectors", r"a\[0\]"),
    Term("a · b", "a dot b", "(a * b).sum()", "the dot product: entries multiplied one by one, and added up", "vectors", "dot product"),
    Term("√", "root of", "np.sqrt(x)", "the number whose square it is: √25 = 5", "vectors", "√"),
    Term("‖a‖", "the length of a", "np.linalg.norm(a)", "the root of the sum of all a[i]²", "vectors"),
    Term("cosine", "cosine", "a @ b / (norm(a) * norm(b))", "1: the same direction, 0: at right angles, −1: opposite", "vectors"),
    Term("(N, D)", "N by D", "x.shape", "N rows of D numbers each: N vectors in one table", "vectors", r"\(N, D\)"),
    # ---- matrices ----
    Term("matrix", "matrix", "A", "a table of numbers", "matrices", "[Mm]atri(x|ces)"),
    Term("shape", "shape", "A.shape", "how many rows and columns there are: (4, 2) is 4 rows of 2", "matrices", r"\*shape\*"),
    Term("A[i, j]", "A i j", "A[i, j]", "the number in row i and column j, counted from 0", "matrices", r"A\[i, j\]"),
    Term("Σₖ", "the sum over k", ".sum()", "the sum over all k, as Σₙ is over all n", "matrices"),
    Term("A B", "A times B", "A @ B", "the product: each row of A, dotted with each column of B", "matrices", r"A B|A @ B"),
    Term("(in, out)", "in, out", "W.shape", "a row for each input and a column for each output", "matrices", r"\(in, out\)"),
    Term("(out, in)", "out, in", "W.shape", "how torch keeps a weight: a row for each output", "matrices", r"\(out, in\)"),
    Term("broadcasting", "broadcasting", "X + b", "what is too small is used again and again", "matrices", "[Bb]roadcasting"),
    Term("ᵀ", "transposed", "A.T", "rows and columns exchanged", "matrices", "ᵀ"),
    Term("bias", "bias", "b", "a number that is added, whatever the input is", "matrices"),
    Term("determinant", "determinant", "np.linalg.det(A)", "how many times larger a matrix makes areas", "matrices"),
    Term("A⁻¹", "A inverse", "np.linalg.inv(A)", "the matrix that undoes A: A⁻¹ A = I", "matrices", "A⁻¹"),
    Term("I", "the identity", "np.eye(n)", "1 on the diagonal and 0 elsewhere: it changes nothing", "matrices", r"\*identity\* I"),
    # ---- eigenvectors ----
    Term("eigenvector", "eigenvector", "V[:, j]", "an arrow that a matrix only stretches, and does not turn", "eigen", r"\*eigenvector\*"),
    Term("eigenvalue", "eigenvalue", "λ[j]", "how much it is stretched", "eigen", r"\*eigenvalue\*"),
    Term("A v = λ v", "A v is lambda v", "A @ v == λ * v", "v is an eigenvector of A, and λ its eigenvalue", "eigen"),
    Term("symmetric", "symmetric", "(A == A.T).all()", "of a matrix: it is its own transpose", "eigen", r"\*symmetric\*"),
    Term("R(v)", "Rayleigh's quotient", "v @ A @ v / (v @ v)", "how much A stretches v along v", "eigen"),
    Term("power iteration", "power iteration", "v = A @ v", "what is stretched most wins in the end", "eigen", "power_iteration"),
    # ---- singular values ----
    Term("singular value", "singular value", "np.linalg.svd(A)[1]", "how much a matrix stretches along one of its axes", "svd"),
    Term("rank", "rank", "np.linalg.matrix_rank(A)", "how many pieces, a column times a row each, a matrix takes", "svd", r"\*rank\*"),
    Term("u vᵀ", "u v transposed", "np.outer(u, v)", "a column times a row: each entry of the one times each of the other", "svd"),
    # ---- principal components ----
    Term("component", "component", "", "a direction along which points are spread most", "pca", r"\*component\*"),
    Term("x̄", "x bar", "x.mean(axis=0)", "the mean of x", "pca", "x̄"),
    Term("autoencoder", "autoencoder", "", "a network that squeezes its input through a few numbers and rebuilds it", "pca"),
)
